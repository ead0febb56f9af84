"""Three-way merge of one update against what others changed since its base.

Disjoint fields merge; equal values are no conflict; an overlap follows the field's merge policy, and what no policy
settles is left to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import dropwhile
from typing import Any
from uuid import UUID

from msgspec import Struct

from sync.items import Fields, Past


class Overlap(Struct, frozen=True):
    """One field that two sides changed differently: what both started from, and what each made of it."""

    base: Any
    server: Any
    incoming: Any


class Merged(Struct, frozen=True):
    """`applied`: field values to take over. `overlaps`: fields that a person must settle."""

    applied: Fields
    overlaps: dict[str, Overlap]


def base_is_known(past: Iterable[Past], version: int, rev: int) -> bool:
    """Whether the item ever was at this revision."""
    return any(one.version == version and one.rev == rev for one in past)


def changed_by_others(past: Iterable[Past], base_version: int, device_id: UUID) -> set[str]:
    """Fields that revisions after the base changed, leaving out the device's own: it never conflicts with itself."""
    return {key for one in past if one.version > base_version and one.device_id != device_id for key in one.fields}


def fields_at(past: Iterable[Past], version: int) -> Fields:
    """The item's fields as they stood at a version."""
    fields: Fields = {}
    for one in sorted(past, key=lambda one: one.version):
        if one.version <= version:
            fields |= one.fields
    return fields


def merge_fields(
    incoming: Fields,
    *,
    server: Fields,
    base: Fields,
    changed: set[str],
    policy_of: Callable[[str], str],
    longest: Callable[[str], int | None],
) -> Merged:
    """Merge an update's fields into the head.

    `changed` are the fields that others changed since the base; `longest` gives the most characters a text field may
    hold, so that an append which would not fit becomes an overlap instead of a cut.
    """
    applied: Fields = {}
    overlaps: dict[str, Overlap] = {}
    for key, value in incoming.items():
        current = server.get(key)
        if key not in changed:
            applied[key] = value
        elif value != current:
            overlap = Overlap(base.get(key), current, value)
            settled, outcome = _settle(overlap, policy_of(key), longest(key))
            if settled:
                applied[key] = outcome
            else:
                overlaps[key] = overlap
    return Merged(applied, overlaps)


def _settle(overlap: Overlap, policy: str, longest: int | None) -> tuple[bool, Any]:
    """Settle one overlap by policy: (whether it could be, the value)."""
    if policy == "lww":
        return True, overlap.incoming
    if policy == "manual":
        return False, None
    if overlap.incoming is None or overlap.server is None:
        # One side cleared what the other filled: the filled value is the richer one and is kept.
        return True, overlap.server if overlap.incoming is None else overlap.incoming
    if policy == "union":
        return True, _union(overlap.server, overlap.incoming)
    if policy == "max":
        return True, max(overlap.server, overlap.incoming)
    joined = _append(overlap)
    return longest is None or len(joined) <= longest, joined


def _union(server: list[Any], incoming: list[Any]) -> list[Any]:
    """Options are kept in order; photos, which are objects, stay in the order in which they came."""
    joined = [*server, *(one for one in incoming if one not in server)]
    return sorted(joined) if all(isinstance(one, str) for one in joined) else joined


def _append(overlap: Overlap) -> str:
    """Both texts: the server's, then what the incoming one has beyond the common base.

    Of a device's unsent edits of one text each brings along what those before it added, which by then stands there:
    lines that do are not added again.
    """
    base, server, incoming = overlap.base or "", overlap.server, overlap.incoming
    addition = incoming[len(base) :] if base and incoming.startswith(base) else incoming
    told = set(server.split("\n"))
    fresh = "\n".join(dropwhile(told.__contains__, addition.strip("\n").split("\n")))
    return server if fresh in server else f"{server}\n{fresh}"
