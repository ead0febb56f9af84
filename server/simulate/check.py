"""Holds the ledger against what was found: what was lost, what happened twice, where phones differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from schemas.forms import packaged
from server.simulate.ledger import Ledger, Written
from server.simulate.truth import Holding, Revision, Truth

What = Literal["lost", "duplicated", "diverged"]

_DEVICE_OPS = ("create", "update", "delete", "transition", "unknown")
_ABSENT = object()


class Finding(Struct, frozen=True):
    """Something that must not be, named by ids and never by values. `about`: change, set, item or stream."""

    what: What
    about: str
    why: str


def lost(ledger: Ledger, truth: Truth) -> list[Finding]:
    """Changes of which a value is nowhere: not current, not superseded, in no conflict and no quarantine.

    What a phone itself lost before it was sent is not the server's loss, but its number has to be on record as void; of
    a set that nobody can read the very bytes have to be there.
    """
    found = ((change, _loss(change, ledger, truth)) for change in ledger.changes)
    findings = [Finding("lost", _name(change), why) for change, why in found if why is not None]
    findings += [
        Finding("lost", f"set {device}/{no}", "it is not on record as void") for device, no in ledger.void - truth.void
    ]
    findings += [
        Finding("lost", f"set {device}/{no}", "its bytes are not kept")
        for (device, no), hashed in ledger.unreadable.items()
        if truth.unreadable.get((device, no)) != hashed
    ]
    if not truth.as_written:
        unkept = ledger.refused - truth.refused
        findings += [Finding("lost", f"set {device}/{no}", "a copy's set is not kept") for device, no, _ in unkept]
    return findings + [Finding("lost", f"item {item}", "its duplicate is not there") for item in truth.alone]


def duplicated(ledger: Ledger, truth: Truth) -> list[Finding]:
    """Effects that no change explains, or that a change explains twice."""
    found = [one for item in truth.revisions for one in _revisions_too_many(item, ledger, truth)]
    explained = {one.about for one in found}
    found += [
        Finding("duplicated", f"item {item}", "no phone wrote it")
        for item in truth.strangers
        if f"item {item}" not in explained
    ]
    found += _conflicts_too_many(ledger, truth) + _quarantined_too_often(truth)
    found += _void_without_need(ledger, truth)
    sets = {(revision.device, revision.no) for revisions in truth.revisions.values() for revision in revisions}
    found += [
        Finding("duplicated", f"set {device}/{no}", "no phone wrote it")
        for device, no in truth.extra_sets
        if (device, no) not in sets
    ]
    return found


def diverged(device: UUID, found: Holding, wanted: Holding) -> list[Finding]:
    """Where a phone holds something else than its scope: once for each object, once for each stream beyond that."""
    objects: dict[UUID, str] = {}
    streams: list[Finding] = []
    for key in sorted(found.streams.keys() | wanted.streams.keys()):
        here, there = found.streams.get(key), wanted.streams.get(key)
        if here is None or there is None:
            streams.append(Finding("diverged", f"{device} {key}", "stream is held by one side only"))
            continue
        wrong = [one for one in here.keys() | there.keys() if here.get(one) != there.get(one)]
        objects |= dict.fromkeys(wrong, f"differs in {key}")
        if not wrong and found.digests[key] != wanted.digests[key]:
            streams.append(Finding("diverged", f"{device} {key}", "digest differs"))
    for item in found.bodies.keys() | wanted.bodies.keys():
        if found.bodies.get(item) != wanted.bodies.get(item):
            objects.setdefault(item, "body differs")
    return streams + [Finding("diverged", f"{device} {one}", why) for one, why in sorted(objects.items())]


# Lost ----------------------------------------------------------------------------------------------------------------


def _loss(change: Written, ledger: Ledger, truth: Truth) -> str | None:
    if truth.quarantine.get(change.key) or truth.quarantine.get((change.device, change.no, -1)):
        return None
    if (change.device, change.no) in ledger.void:
        return None
    own = _own_revision(change, truth)
    if change.op == "transition":
        kept = own is not None or any(_is_by(held, change) for held in truth.conflicts[change.item])
        return None if kept else "no trace of the step"
    if change.op == "delete":
        return _loss_of_deletion(change, own, truth)
    if change.op == "create" and (own is None or change.item not in truth.heads):
        return "the item was not made"
    fields = [key for key, value in change.fields.items() if not _is_kept(change, key, value, own, ledger, truth)]
    return f"no trace of {', '.join(fields)}" if fields else None


def _loss_of_deletion(change: Written, own: Revision | None, truth: Truth) -> str | None:
    if any(_is_by(held, change) for held in truth.conflicts[change.item]):
        return None
    head = truth.heads.get(change.item)
    if head is None or head.deleted:
        # Deleted already by somebody else, or by this change.
        return None if any(one.op == "delete" for one in truth.revisions[change.item]) else "no revision deletes it"
    later = own is not None and any(one.version > own.version for one in truth.revisions[change.item])
    return None if later else "the item is not deleted"


def _is_kept(change: Written, key: str, value: Any, own: Revision | None, ledger: Ledger, truth: Truth) -> bool:
    revisions = truth.revisions[change.item]
    if own is not None and key in own.fields:
        stored = own.fields[key]
        return _carries(change.type, key, stored, value) and _is_current(change, key, own, truth)
    if any(_is_parked(held, change, key, value, ledger) for held in truth.conflicts[change.item]):
        return True
    # Somebody else had set the same value: there was nothing to do.
    same = (one for one in revisions if one.version > change.base and one.fields.get(key, _ABSENT) == value)
    return any(_is_current(change, key, one, truth) for one in same)


def _is_current(change: Written, key: str, revision: Revision, truth: Truth) -> bool:
    """Whether what a revision set is in force, or a later revision names the field."""
    item = change.item
    if any(one.version > revision.version and key in one.fields for one in truth.revisions[item]):
        return True
    head = truth.heads.get(item)
    if head is None or head.deleted:
        return any(one.op == "delete" and one.version > revision.version for one in truth.revisions[item])
    now, then = head.fields.get(key), revision.fields[key]
    return _carries(change.type, key, now, then) if truth.as_written else now == then


def _is_parked(held: Any, change: Written, key: str, value: Any, ledger: Ledger) -> bool:
    """In a conflict of the same phone: this very value, or a later one by which the phone replaced it there."""
    if held.device != change.device or key not in held.fields:
        return False
    if held.fields[key] == value:
        return True
    own = (one for one in ledger.by_item[change.item] if one.device == change.device and one.key > change.key)
    return any(one.fields.get(key, _ABSENT) == held.fields[key] for one in own)


def _own_revision(change: Written, truth: Truth) -> Revision | None:
    mine = (one for one in truth.revisions[change.item] if _is_by(one, change) and one.op == change.op)
    return next(mine, None)


def _is_by(one: Any, change: Written) -> bool:
    return (one.device, one.no, one.index) == change.key


def _carries(item_type: str, key: str, stored: Any, value: Any) -> bool:
    """Whether what was stored holds what was written, by the field's merge policy."""
    if stored == value:
        return True
    policy = packaged().types[item_type].merge_policy(key)
    if stored is None or policy not in _CARRIED:
        return False
    return value is None or _CARRIED[policy](stored, value)


def _holds_addition(stored: str, value: str) -> bool:
    """Of an appended text, each line that goes beyond the common beginning; others may have added lines between."""
    common = next((at for at, (one, other) in enumerate(zip(stored, value, strict=False)) if one != other), len(stored))
    return all(line in stored for line in value[common:].strip("\n").split("\n"))


_CARRIED: dict[str, Callable[[Any, Any], bool]] = {
    "union": lambda stored, value: all(one in stored for one in value),
    "max": lambda stored, value: stored >= value,
    "append": _holds_addition,
}


# Duplicated ----------------------------------------------------------------------------------------------------------


def _revisions_too_many(item: UUID, ledger: Ledger, truth: Truth) -> Iterator[Finding]:
    seen: set[Any] = set()
    for revision in sorted(truth.revisions[item], key=lambda one: one.version):
        key = (revision.device, revision.no, revision.index)
        if not _is_explained(item, revision, ledger) or key in seen:
            about = f"item {item}" if revision.op == "create" else f"item {item} version {revision.version}"
            yield Finding("duplicated", about, "no change explains this revision")
        if revision.device is not None:
            seen.add(key)
    head = truth.heads.get(item)
    versions = [one.version for one in truth.revisions[item]]
    if head is not None and versions and head.version > max(versions):
        yield Finding("duplicated", f"item {item} version {head.version}", "no revision has this number")


def _is_explained(item: UUID, revision: Revision, ledger: Ledger) -> bool:
    """Persons at desks settle conflicts, and what a city began with came from no phone.

    Everything else must be in the ledger, if it came from one of its phones.
    """
    if revision.device is None or revision.no is None or revision.index is None:
        is_older = all(change.op != "create" for change in ledger.by_item[item])
        return is_older or revision.op not in _DEVICE_OPS
    change = ledger.by_key.get((revision.device, revision.no, revision.index))
    if change is None:
        return revision.device not in ledger.last_no
    return change.item == item and change.op == revision.op


def _conflicts_too_many(ledger: Ledger, truth: Truth) -> list[Finding]:
    names = Counter((held.device, held.no, held.index) for conflicts in truth.conflicts.values() for held in conflicts)
    return [
        Finding("duplicated", f"conflict of {device}/{no}/{index}", "more than one conflict, or none was written")
        for (device, no, index), count in names.items()
        if device in ledger.last_no and no is not None and (count > 1 or (device, no, index) not in ledger.by_key)
    ]


def _quarantined_too_often(truth: Truth) -> list[Finding]:
    return [
        Finding("duplicated", f"quarantine of {device}/{no}/{index}", "held more than once")
        for (device, no, index), count in truth.quarantine.items()
        if count > 1
    ]


def _void_without_need(ledger: Ledger, truth: Truth) -> list[Finding]:
    """A phone lost nothing of the set, or the set has an effect although it came empty."""
    effects = {(one.device, one.no) for revisions in truth.revisions.values() for one in revisions}
    return [
        Finding("duplicated", f"set {device}/{no}", "void, and yet it was written or has an effect")
        for device, no in truth.void
        if (device, no) not in ledger.void or (device, no) in effects
    ]


def _name(change: Written) -> str:
    return f"{change.device}/{change.no}/{change.index} item {change.item}"
