"""What offices search for and find."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.offices import ItemSummary

LARGEST_PAGE = 200
LONGEST_VALUE = 100
_Text = Annotated[str, Meta(max_length=LONGEST_VALUE, pattern=r"^[^\x00]*$")]


class SearchWish(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an item must hold; whatever is given must hold together.

    `text` is looked for in clear text, part of a word will do. The others are compared whole: an identity number, a
    telephone number, a person's name, a vehicle plate. `surname` finds residents, within a community that `division`
    names. `division`: 12-digit code of a county, street or community. `cursor`: `next` of the page before.
    """

    text: _Text | None = None
    national_id: _Text | None = None
    phone: _Text | None = None
    name: _Text | None = None
    surname: _Text | None = None
    plate: _Text | None = None
    type: Annotated[str, Meta(pattern="^[0-9]{4}$")] | None = None
    division: Annotated[str, Meta(pattern="^[0-9]{12}$")] | None = None
    cursor: Annotated[str, Meta(max_length=200)] | None = None
    limit: Annotated[int, Meta(ge=1, le=LARGEST_PAGE)] = 50


class Hit(Struct, frozen=True):
    """An item that was found; `title` is the first text of its form that may be shown, personal parts masked."""

    item: ItemSummary
    title: str


class HitsPage(Struct, frozen=True):
    """A page of what was found, the newest first; it may hold less than the limit. `next`: cursor of the next one."""

    hits: list[Hit]
    next: str | None
