"""Catalogues of the previous versions, and how the forms of today take what was filled in under them.

The documents tell which fields went and which values no longer fit; what was merely given another name, the newer
document says in its `changes`. Whatever the current form does not take is kept beside it: in a field of its own, which
no form asks for, and which counts as personal because nobody has judged it since (docs/adr/0023).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from msgspec import Struct, json
from msgspec.structs import replace

from schemas.catalogue import Catalogue, CatalogueChange, document
from schemas.item_type import Field, ItemType, Kind, OnSiteFix, PhotoRule

PREVIOUS: Final = ("2024.1",)
"""All versions before the current one, newest first: what was kept of one stays when it is accepted no more."""
ACCEPTED: Final = 2
"""Of so many of them, the newest, change sets are still taken."""

_VERSION = re.compile(r"([0-9]{4})\.([0-9]{1,3})", re.ASCII)


class PreviousPhotos(Struct, frozen=True):
    """How many photos an item type asked for."""

    report_min: int = 0
    report_min_by_urgency: dict[str, int] = {}
    on_site_fix: OnSiteFix | None = None


class PreviousType(Struct, frozen=True):
    """An item type as it was; rules of that time play no part any more."""

    code: str
    kind: Kind
    fields: tuple[Field, ...]
    photo: PreviousPhotos = PreviousPhotos()
    require_any: tuple[tuple[str, ...], ...] = ()


class PreviousCategory(Struct, frozen=True):
    """A category as it was."""

    code: str
    items: tuple[PreviousType, ...]


class PreviousCatalogue(Struct, frozen=True):
    """A previous version of the catalogue; attributes that no longer exist are passed over."""

    catalogue_version: str
    categories: tuple[PreviousCategory, ...]

    def types(self) -> dict[str, PreviousType]:
        """The item types by code."""
        return {item.code: item for category in self.categories for item in category.items}


class Passage(Struct, frozen=True):
    """The way of one item type's fields from a previous version to the current one.

    `steps`: what was renamed since, oldest first. `kept`: by the key of today, the field that keeps what that one does
    not take. `asked`: the keys of today that were required then; `before`: the type as it was.
    """

    before: PreviousType
    steps: tuple[CatalogueChange, ...]
    kept: dict[str, Field]
    asked: frozenset[str]


@cache
def load_previous(version: str) -> PreviousCatalogue:
    """A packaged previous catalogue. Raises KeyError for a version that is none of them."""
    if version not in PREVIOUS:
        raise KeyError(version)
    return json.decode(document(version), type=PreviousCatalogue)


def version_order(version: str) -> tuple[int, int] | None:
    """What versions (`YYYY.N`) are ordered by; None for what is none."""
    found = _VERSION.fullmatch(version)
    return (int(found[1]), int(found[2])) if found else None


def passage(item: ItemType, before: PreviousType, version: str, catalogue: Catalogue) -> Passage:
    """How what was written of this type under `version` becomes what `catalogue` knows."""
    steps = tuple(one for one in _since(catalogue, version) if item.code in (one.item, *one.items))
    current = {field.key: field for field in item.fields}
    kept: dict[str, Field] = {}
    asked: set[str] = set()
    for field in before.fields:
        key = _today(field.key, steps)
        now = current.get(key)
        if now is None or narrowed(field, now):
            kept[key] = _keeper(field, key if now is None else f"{key}__{version.replace('.', '_')}", version)
        if field.required:
            asked.add(key)
    return Passage(before, steps, kept, frozenset(asked))


def with_kept(item: ItemType, passages: Mapping[str, Passage]) -> ItemType:
    """The type with the fields that keep what previous versions said; `passages` by version, newest first."""
    known = {field.key for field in item.fields}
    kept = {field.key: field for one in reversed([*passages.values()]) for field in one.kept.values()}
    return replace(item, fields=(*item.fields, *(field for key, field in kept.items() if key not in known)))


def as_written(item: ItemType, way: Passage) -> ItemType:
    """The type as an app of a previous version may fill it in: what is asked only since then may be missing.

    What a field no longer takes counts where it is kept.
    """
    asked = {one.key for one in item.fields if one.required} & way.asked
    fields = tuple(replace(one, required=one.key in asked and one.key not in way.kept) for one in item.fields)
    groups = {frozenset(group) for group in way.before.require_any}
    groups_asked = (keys for keys in item.require_any if way.asked & {*keys} or frozenset(keys) in groups)
    either = ((key, way.kept[key].key) for key in sorted(asked & way.kept.keys()))
    photo = _fewer(item.photo, way.before.photo)
    return replace(item, fields=fields, require_any=(*groups_asked, *either), photo=photo)


def _since(catalogue: Catalogue, version: str) -> list[CatalogueChange]:
    """What the versions after this one renamed, oldest first."""
    dated = [(version_order(one.in_), one) for one in catalogue.changes if one.renamed or one.recoded]
    written = version_order(version) or (0, 0)
    newer = [(order, one) for order, one in dated if order is not None and order > written]
    return [one for _, one in sorted(newer, key=lambda pair: pair[0])]


def _today(key: str, steps: tuple[CatalogueChange, ...]) -> str:
    for step in steps:
        key = step.renamed.get(key, key)
    return key


def narrowed(before: Field, now: Field) -> bool:
    """Whether the field once took values that it does not take any more."""
    return before.type != now.type or any(is_lost(before, now) for is_lost in _LOSSES)


def _options_lost(before: Field, now: Field) -> bool:
    return not {one.value for one in before.options} <= {one.value for one in now.options}


def _below(limit: Callable[[Field], Any]) -> Callable[[Field, Field], bool]:
    """Whether an upper bound came down, or came up where there was none."""

    def is_lost(before: Field, now: Field) -> bool:
        least, most = limit(now), limit(before)
        return least is not None and (most is None or least < most)

    return is_lost


def _above(limit: Callable[[Field], Any]) -> Callable[[Field, Field], bool]:
    """Whether a lower bound went up, or came up where there was none."""

    def is_lost(before: Field, now: Field) -> bool:
        most, least = limit(now), limit(before)
        return most is not None and most > (least if least is not None else float("-inf"))

    return is_lost


_LOSSES: Final[tuple[Callable[[Field, Field], bool], ...]] = (
    _options_lost,
    lambda before, now: before.multi != now.multi,
    lambda before, now: not {*before.ref} <= {*now.ref},
    lambda before, now: now.pattern not in (None, before.pattern),
    lambda before, now: now.format not in (None, before.format),
    _below(lambda field: field.max_length),
    _below(lambda field: field.max),
    _below(lambda field: field.scale),
    _below(lambda field: field.max_items),
    _above(lambda field: field.min),
    _above(lambda field: field.min_items or None),
)
"""How a field can come to take less, one for each attribute; the checks of identity numbers count as the same."""


def _keeper(before: Field, key: str, version: str) -> Field:
    """The field that keeps such values: as wide as the old one was."""
    return replace(
        before,
        key=key,
        label_zh=f"{before.label_zh}({version} 版)",
        label_en=f"{before.label_en} ({version})",
        required=False,
        sensitivity="personal" if before.sensitivity == "none" else before.sensitivity,
        pattern=None,
        format=None,
        format_by=None,
        unique_hint=False,
        min_items=None,
    )


def _fewer(now: PhotoRule, then: PreviousPhotos) -> PhotoRule:
    """As many photos as were asked for both then and now."""
    by_urgency = {
        urgency: min(least, then.report_min_by_urgency.get(urgency, then.report_min))
        for urgency, least in now.report_min_by_urgency.items()
    }
    fix = now.on_site_fix if then.on_site_fix is not None else None
    return replace(
        now, report_min=min(now.report_min, then.report_min), report_min_by_urgency=by_urgency, on_site_fix=fix
    )
