"""Decides a creation: applied, or taken in and held until a person has settled what is open about it.

What is held is its author's alone: it has no grid, is neither reviewed nor dispatched, and he goes on editing it.
"""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

import msgspec

from schemas.forms import CompiledType
from sync.access import counties_of, parking_refusal
from sync.deciding import Creation, Refused, Turn
from sync.decisions import Conflict, Decision, HeldPlace, Revision, Waiting
from sync.items import Fields, ItemState, content_rev, without_nulls
from sync.merge import Overlap
from sync.placing import Placement, UnsettledCode
from sync.rules import is_fixed_on_site, photos_needed, ruled_urgency
from sync.working import Working, dead_among, waiting_for

PhotoRole = Literal["report", "close"]

_ASKED_AT_ONCE: Final[dict[bool, tuple[PhotoRole, ...]]] = {False: ("report",), True: ("report", "close")}
"""Of which role photos must be there, by whether it was fixed on the spot."""


def create(working: Working, turn: Turn) -> Decision:
    """What becomes of a creation. Raises Refused."""
    change, compiled = turn.change, turn.compiled
    fields = without_nulls(compiled.normalise(change.fields))
    working.check(compiled.check_whole(fields, working.context.today))
    if (existing := working.items.get(change.item)) is not None:
        return _again(working, existing, turn, fields)
    urgency = ruled_urgency(compiled.type, fields, change.urgency)
    _check_photos(compiled, fields, urgency)
    targets = working.targets(compiled, fields)
    dead = dead_among(compiled, targets) if targets else set[str]()
    creation = Creation(turn, fields, urgency)
    placement = working.place(turn, change, turn.fixes, targets)
    waiting = waiting_for(compiled, targets) if targets else None
    if waiting is not None and not _told_before_reference(creation, placement):
        return _chain(working, creation, placement, waiting)
    if placement.unsettled is not None:
        return _hold_unplaced(working, creation, placement, placement.unsettled)
    working.permit(turn, "create", working.context.author_id, placement.grid_id, placement.then)
    if dead or working.group:
        return _hold_placed(working, creation, placement, dead)
    revision = _created(working, creation, placement)
    return Decision(change.item, "rebased" if revision.rebased else "applied", revision=revision)


def _created(working: Working, creation: Creation, placement: Placement) -> Revision:
    context, turn, fields = working.context, creation.turn, creation.fields
    item_id, type_code, stream_class = turn.change.item, turn.change.type, turn.compiled.stream
    grid_id, urgency = placement.grid_id, creation.urgency
    signed = ItemState(
        id=item_id,
        type=type_code,
        grid_id=grid_id,
        stream_class=stream_class,
        author_id=context.author_id,
        in_own_stream=grid_id is not None and not working.reads(stream_class, grid_id),
        version=1,
        rev=content_rev(context.secrets[item_id], item_id, type_code, 1, grid_id, urgency, fields),
        touch=0,
        deleted=False,
        urgency=urgency,
        fields=fields,
        captured_at=turn.captured_at,
        received_at=context.now,
        updated_at=context.now,
    )
    derivation, rebased = placement.derivation, placement.rebased
    return Revision("create", None, signed, fields, None, turn.captured_at, derivation, rebased)


def _chain(working: Working, creation: Creation, placement: Placement, waiting: Waiting) -> Decision:
    """What refers to a held item, and would take its grid from it, waits with it and follows its settlement."""
    codes = [working.context.registry.code(one) or "" for one in waiting.place.candidates]
    _permit_held(working, creation, codes)
    return _hold(working, creation, placement, "referenced", {}, waiting.place, working.group or waiting.group)


def _told_before_reference(creation: Creation, placement: Placement) -> bool:
    order = [source.source for source in creation.turn.compiled.type.territory_from]
    told_by = placement.derivation.get("source")
    return told_by is not None and order.index(told_by) < order.index("reference")


def _hold_unplaced(working: Working, creation: Creation, placement: Placement, claim: UnsettledCode) -> Decision:
    """No source decides; what is known is kept with the counties that its author worked in at the capture."""
    codes = [working.context.registry.code(grid_id) or "" for grid_id in claim.candidates]
    _permit_held(working, creation, codes)
    claim = msgspec.structs.replace(claim, counties=_counties(working, creation))
    return _hold(working, creation, placement, placement.kind, {}, claim, working.group)


def _hold_placed(working: Working, creation: Creation, placement: Placement, dead: set[str]) -> Decision:
    """It names a deleted item, or waits for the rest of its set."""
    grid_id = placement.grid_id
    place = HeldPlace(grid=grid_id, candidates=(grid_id,) if grid_id else (), counties=_counties(working, creation))
    overlaps = {key: Overlap(None, None, creation.fields[key]) for key in sorted(dead)}
    kind = "referenced" if dead else "group"
    return _hold(working, creation, placement, kind, overlaps, place, working.group)


def _hold(
    working: Working,
    creation: Creation,
    placement: Placement,
    kind: str,
    overlaps: dict[str, Overlap],
    claim: UnsettledCode | HeldPlace,
    group: UUID | None,
) -> Decision:
    revision = _created(working, creation, Placement(None, placement.derivation))
    conflict = Conflict(
        id=working.context.id_of(creation.turn.index, "conflict"),
        kind=kind,
        op="create",
        overlaps=overlaps,
        base_version=None,
        server_version=revision.after.version,
        claim=claim,
        group=group,
    )
    item = creation.turn.change.item
    return Decision(item, "parked", revision=revision, conflict=conflict, current=revision.after)


def _permit_held(working: Working, creation: Creation, codes: list[str]) -> None:
    held = working.authority.at(creation.turn.captured_at).assignments
    code = parking_refusal(held, codes, creation.turn.compiled.type)
    if code is not None and not working.context.released:
        raise Refused("quarantined", code)


def _counties(working: Working, creation: Creation) -> tuple[str, ...]:
    return counties_of(working.authority.at(creation.turn.captured_at).assignments)


def _again(working: Working, existing: ItemState, turn: Turn, fields: Fields) -> Decision:
    """The same thing pushed by a phone that was restored from its backup is no second thing."""
    same = existing.type == turn.change.type and existing.fields == fields
    if same and existing.author_id == working.context.author_id:
        return Decision(turn.change.item, "applied", current=existing)
    raise Refused("quarantined", "item_exists")


def _check_photos(compiled: CompiledType, fields: Fields, urgency: str) -> None:
    """What was fixed on the spot needs its photos from after at once; of others they are asked at closing."""
    fixed = is_fixed_on_site(compiled.type, fields)
    for role in _ASKED_AT_ONCE[fixed]:
        needed = photos_needed(compiled.type, urgency, fixed, role)
        if needed and _photos_given(compiled, fields, role) < needed:
            raise Refused("rejected", "photos_needed")


def _photos_given(compiled: CompiledType, fields: Fields, role: PhotoRole) -> int:
    return [photo["role"] for photo in fields.get(compiled.photo_field or "", ())].count(role)
