"""Whether a catalogue may follow those before it: what is stored, and apps that still write by them, must go on.

Stored items keep their keys and values, and are edited by the forms of the day, so a key means for ever what it meant
first. What merely takes less than it did is no hindrance: older values are kept (`schemas.previous`), and what stands
in an item is not judged anew (docs/adr/0034).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from schemas.item_type import Field
from schemas.previous import version_order
from sync.catalogue_diff import Difference, Version, differences

_STORED_CODES = frozenset({"urgency_levels", "departments", "tiers", "roles", "return_reasons", "case_exits"})
"""Parts whose codes stand in cases, posts, organisations and reviews."""


class Hindrance(Struct, frozen=True):
    """Why a catalogue cannot follow: a code of the errors page, and the place that it is about."""

    code: str
    place: str


def hindrances(past: Sequence[Version], new: Version) -> list[Hindrance]:
    """Everything that stands against `new`; `past` are the versions so far, the current one first."""
    found = [*_of_version(past, new)]
    for one in differences(past[0], new):
        found += _of_difference(past, new, one)
    return found


def _of_version(past: Sequence[Version], new: Version) -> Iterator[Hindrance]:
    order, current = version_order(new.name), version_order(past[0].name)
    if order is None:
        yield Hindrance("catalogue_version_invalid", "catalogue_version")
    elif new.name in {one.name for one in past}:
        yield Hindrance("catalogue_version_taken", "catalogue_version")
    elif current is not None and order <= current:
        yield Hindrance("catalogue_version_older", "catalogue_version")


def _of_difference(past: Sequence[Version], new: Version, one: Difference) -> Iterator[Hindrance]:
    if one.part in _STORED_CODES:
        yield from _of_code(one)
    elif one.type and one.field:
        yield from _of_field(past, new, one.type, one.field, one)
    elif one.type and one.attribute is None and one.what == "removed":
        yield Hindrance("catalogue_type_removed", one.type)
    elif one.type and one.what == "changed" and one.attribute in ("kind", "stream"):
        yield Hindrance(f"catalogue_{one.attribute}_changed", one.type)


def _of_code(one: Difference) -> Iterator[Hindrance]:
    place = f"{one.part}.{one.attribute}"
    if one.what == "removed":
        yield Hindrance("catalogue_code_removed", place)
    elif one.part == "case_exits" and one.what == "changed":
        now = {reason["code"] for reason in one.after["reasons"]}
        gone = [reason["code"] for reason in one.before["reasons"] if reason["code"] not in now]
        yield from (Hindrance("catalogue_code_removed", f"{place}.{code}") for code in gone)


def _of_field(past: Sequence[Version], new: Version, code: str, key: str, one: Difference) -> Iterator[Hindrance]:
    """A field that comes back is compared with what it was when it was last there."""
    if one.what == "renamed":
        yield Hindrance("catalogue_field_renamed", f"{code}.{one.before}")
    if one.what == "added" or one.attribute in ("type", "multi", "sensitivity"):
        before, now = _last(past, code, key), _field(new, code, key)
        if before is None or now is None:
            return
        if one.attribute != "sensitivity" and (before.type, before.multi) != (now.type, now.multi):
            yield Hindrance("catalogue_field_retyped", f"{code}.{key}")
        if one.attribute in (None, "sensitivity") and _is_marked(before) != _is_marked(now):
            yield Hindrance("catalogue_mark_changed", f"{code}.{key}")


def _last(past: Sequence[Version], code: str, key: str) -> Field | None:
    return next((found for one in past if (found := _field(one, code, key)) is not None), None)


def _field(version: Version, code: str, key: str) -> Field | None:
    fields = version.types[code].fields if code in version.types else ()
    return next((field for field in fields if field.key == key), None)


def _is_marked(field: Field) -> bool:
    return field.sensitivity != "none"
