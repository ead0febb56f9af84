"""Finding items by what stands in them, within what the caller may read.

Whoever looks for a personal value leaves a row in the audit trail: by which kinds of value he searched, where, and how
many items he was shown, never the value.
"""

from __future__ import annotations

from collections.abc import Callable

from schemas.searching import LONGEST_VALUE, Hit, HitsPage, SearchWish
from server.db import audit
from server.db import searching as rows
from server.db.database import Connection, Row, Transaction
from server.db.reading import ItemFilter
from server.errors import Problem
from server.masking import masked_title
from server.sealing import unseal_values
from server.services import Services
from server.usecases.paging import ListPlace, from_cursor, to_cursor
from server.usecases.reading import area, grants_of, summary_of
from server.usecases.searching import tag
from server.usecases.sessions import Caller
from sync import searching
from sync.access import tier_of

_EXACT: dict[str, Callable[[str], str]] = {
    "national_id": searching.national_id_fact,
    "phone": searching.phone_fact,
    "name": searching.name_fact,
    "plate": searching.plate_fact,
}


async def search_items(services: Services, caller: Caller, wish: SearchWish) -> HitsPage:
    """A page of what the caller may read and that holds everything he asks for, the newest first.

    Raises Problem: search_empty, search_too_short, search_needs_community, parameter_invalid.
    """
    _check(wish)
    marked = _marked_terms(services, wish)
    terms = [*_text_terms(wish.text), *marked.values()]
    if not terms:
        raise Problem("search_empty")
    if not marked:
        async with services.database.read() as connection:
            return await _page(connection, services, caller, wish, terms)
    return await services.database.write(lambda tx: _audited(tx, services, caller, wish, terms, sorted(marked)))


def _check(wish: SearchWish) -> None:
    """Raises Problem `parameter_invalid` for a value that nothing can hold."""
    for key in ("text", "surname", *_EXACT):
        value = getattr(wish, key) or ""
        if len(value) > LONGEST_VALUE or "\0" in value:
            raise Problem("parameter_invalid", field=key)


def _text_terms(text: str | None) -> list[str]:
    """Raises Problem `search_too_short` for a text that has no two characters together."""
    if not text:
        return []
    terms = sorted(searching.pairs(text))
    if not terms:
        raise Problem("search_too_short", field="text")
    return terms


def _marked_terms(services: Services, wish: SearchWish) -> dict[str, str]:
    """The blind index of each marked value that is asked for, by what it is."""
    given = {key: value for key in (*_EXACT, "surname") if (value := (getattr(wish, key) or "").strip())}
    facts = {key: _EXACT[key](value) for key, value in given.items() if key in _EXACT}
    if "surname" in given:
        if wish.division is None or tier_of(wish.division) != "community":
            raise Problem("search_needs_community", field="division")
        facts["surname"] = searching.surname_fact(wish.division, given["surname"])
    return {key: tag(services.keyring, fact) for key, fact in facts.items()}


async def _audited(
    tx: Transaction, services: Services, caller: Caller, wish: SearchWish, terms: list[str], kinds: list[str]
) -> HitsPage:
    page = await _page(tx.connection, services, caller, wish, terms)
    detail = {"by": kinds, "type": wish.type, "division": wish.division, "shown": len(page.hits)}
    await audit.record(
        tx.connection, caller.user_id, "item.search", "item", "-", detail=detail, request_id=caller.request_id
    )
    return page


async def _page(
    connection: Connection, services: Services, caller: Caller, wish: SearchWish, terms: list[str]
) -> HitsPage:
    place = from_cursor(wish.cursor, ListPlace)
    narrowed = ItemFilter(type=wish.type, division=area(wish.division))
    after = place.item_id if place else None
    grants = grants_of(services, caller)
    found = await rows.search_items(connection, grants, terms, narrowed, after, wish.limit + 1)
    shown = found[: wish.limit]
    last = ListPlace(shown[-1]["id"]) if len(found) > wish.limit else None
    asked = searching.words(wish.text or "")
    return HitsPage([_hit(services, row) for row in shown if _holds(services, row, asked)], to_cursor(last))


def _holds(services: Services, row: Row, asked: list[str]) -> bool:
    """Whether the words really stand in the item: their pairs may do so without them."""
    return not asked or searching.holds(searching.plan_of(services.catalogue.types[row["type"]]), row["clear"], asked)


def _hit(services: Services, row: Row) -> Hit:
    secret = services.keyring.open_key(row["id"].bytes, row["wrapped"])
    fields = row["clear"] | unseal_values(secret, row["id"].bytes, row["sealed"])
    return Hit(summary_of(row), masked_title(services.catalogue.types[row["type"]], fields))
