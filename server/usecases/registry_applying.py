"""A plan of registry changes is carried out: one registry version in one transaction, then its items batch by batch.

    plan again -> lock, compare the version, publish, hand over, note the move -> move the items -> compare

Those who worked in a grid that ends go on reading its stream until its last item has left it; whoever takes over reads
the new streams from the first moment. So nothing is out of everybody's sight, and nothing is taken from a phone that
has not sent its edits.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import uuid4

from msgspec import Struct, convert, structs, to_builtins

from schemas.registry_change import begun_by
from server.db import audit, crosswalk, lineage, people, registry, registry_moves, registry_publish
from server.db.crosswalk import LegacyRow
from server.db.database import Connection, Transaction
from server.db.people import NewAssignment
from server.db.registry import NewGrid
from server.errors import Problem
from server.services import Services
from server.usecases.reasons import checked_reason
from server.usecases.registry_area import publishing_prefixes
from server.usecases.registry_drafting import Draft, PlanFiles, plain_code, touched_grids
from server.usecases.registry_moving import move_items
from server.usecases.registry_planning import plan_changes
from server.usecases.registry_posts import acts_of_begun
from server.usecases.registry_reports import ApplyReport, Followed, PlanReport, differences
from server.usecases.registry_workforce import load_workforce
from server.usecases.sessions import Caller
from server.usecases.telling import Teller
from sync.registry import GridLabel
from sync.registry_changes.changes import Changed, apply_changes, successors_of
from sync.registry_changes.handover import Post

_LEGACY: Final = ("department", "legacy_code", "valid_from", "valid_to", "sense", "note")


class ApplyOrder(Struct, frozen=True, kw_only=True):
    """Who has a plan carried out, why, and when."""

    actor: Caller
    reason: str
    now: datetime


async def apply_plan(services: Services, order: ApplyOrder, files: PlanFiles, teller: Teller) -> ApplyReport:
    """Publish the version that a plan makes, and move its items.

    Raises Problem: forbidden, reason_needed, parameter_invalid, import_unreadable; registry_moved if another version
    was published meanwhile, registry_moving while the items of an earlier one are being moved. What is wrong with the
    plan stands in the report. Whoever is killed after the version was published leaves the rest to the job.
    """
    checked_reason(order.reason)
    planned = await plan_changes(services, order.actor, files, order.now, teller)
    if planned.report.faults:
        return ApplyReport(version=None, faults=planned.report.faults)
    teller.phase("发布", "Publishing")
    publish = partial(_publish, order=order, draft=planned.draft, report=planned.report)
    version = await services.database.write(publish)
    return await _finish(services, version, teller)


async def resume_moving(services: Services, order: ApplyOrder, version: int, teller: Teller) -> ApplyReport:
    """Go on with what was decided when a version was published, where it was cut off.

    Raises Problem: forbidden, reason_needed, parameter_invalid, not_found.
    """
    publishing_prefixes(services, order.actor)
    await services.database.write(partial(_note_resumed, order=order, version=version))
    return await _finish(services, version, teller)


async def _note_resumed(tx: Transaction, order: ApplyOrder, version: int) -> None:
    reason = checked_reason(order.reason)
    if await registry_moves.move_report(tx.connection, version) is None:
        raise Problem("not_found", field="version")
    subject, actor = ("registry", str(version)), order.actor
    await audit.record(tx.connection, actor.user_id, "registry.resumed", *subject, reason, {}, actor.request_id)


async def _finish(services: Services, version: int, teller: Teller) -> ApplyReport:
    """Move what is left to move of a version, and hold what became of it against what was foretold."""
    async with services.database.read() as connection:
        row = await registry_moves.move_report(connection, version)
    assert row is not None
    predicted = convert(row["predicted"], Followed)
    actual = await move_items(services, version, teller)
    return ApplyReport(
        version=version, faults=[], predicted=predicted, actual=actual, differences=differences(predicted, actual)
    )


async def _publish(tx: Transaction, order: ApplyOrder, draft: Draft, report: PlanReport) -> int:
    connection, seen, reason = tx.connection, draft.standing.version, checked_reason(order.reason)
    if await registry_publish.lock_registry(connection) != seen:
        raise Problem("registry_moved")
    if await registry_moves.unfinished_move(connection) is not None:
        raise Problem("registry_moving")
    version = seen + 1
    changed = apply_changes(draft.changes, draft.drawn.outlines, version, lambda _: uuid4())
    touched = touched_grids(changed, draft.standing)
    await registry_publish.publish_version(connection, version, reason, order.actor.user_id)
    begun, relabelled = _grids(draft, changed)
    await registry_publish.close_labels(connection, version, [label.id for label in (*changed.ended, *relabelled)])
    await registry.insert_grids(connection, version, begun)
    await registry_publish.label_anew(connection, version, relabelled)
    await lineage.insert_steps(connection, changed.steps)
    await _hand_on_legacy_codes(connection, version, changed)
    workforce = await load_workforce(connection, changed, draft.teams(changed), touched, order.now)
    await people.insert_assignments(connection, [_assignment(post) for post in workforce.begun])
    await audit.record_all(connection, list(acts_of_begun(order.actor, reason, version, changed, workforce)))
    total = await registry_moves.count_items(connection, touched)
    await registry_moves.begin_move(connection, version, to_builtins(report.items), total)
    await _record(tx, order, version, changed, len(workforce.begun))
    return version


async def _hand_on_legacy_codes(connection: Connection, version: int, changed: Changed) -> None:
    """What a department's code said of a grid that ended it says of what takes its place."""
    successors = successors_of(changed.steps)
    rows = await registry_moves.crosswalk_of_grids(connection, sorted(one for one in successors if successors[one]))
    added = [
        convert({key: row[key] for key in _LEGACY} | {"grid_id": grid_id}, LegacyRow)
        for row in rows
        for grid_id in successors[row["grid_id"]]
    ]
    await crosswalk.write_crosswalk(connection, version, [row["id"] for row in rows], added)


async def _record(tx: Transaction, order: ApplyOrder, version: int, changed: Changed, posts: int) -> None:
    kinds = [step.kind for step in changed.steps]
    await audit.record(
        tx.connection,
        order.actor.user_id,
        "registry.applied",
        "registry",
        str(version),
        checked_reason(order.reason),
        {"steps": {kind: kinds.count(kind) for kind in sorted(set(kinds))}, "posts": posts},
        order.actor.request_id,
    )


def _assignment(post: Post) -> NewAssignment:
    return NewAssignment(
        user_id=post.user_id,
        role=post.role,
        grid_id=post.grid_id,
        valid_from=post.valid_from,
        valid_to=post.valid_to,
    )


def _grids(draft: Draft, changed: Changed) -> tuple[list[NewGrid], list[NewGrid]]:
    """The rows of grids that begin, and of those that go on under another label."""
    said = {plain_code(one.label.code): one.label for change in draft.changes for one in begun_by(change.operation)}
    begun = [_begun(draft, changed, label, said[label.code].compounds) for label in changed.begun]
    return begun, [_relabelled(draft, label) for label in changed.relabelled]


def _begun(draft: Draft, changed: Changed, label: GridLabel, compounds: tuple[str, ...] | None) -> NewGrid:
    """What a merged grid is not told of its compounds it has from those that it is made of."""
    step = next(one for one in changed.steps if label.id in one.successors)
    former = [draft.whole[one] for one in step.predecessors]
    if compounds is None:
        every = [name for one in former for name in one.compounds] if step.kind == "merge" else []
        compounds = tuple(dict.fromkeys(every))
    return NewGrid(
        **structs.asdict(label),
        synthetic=label.code not in draft.drawn.outlines and any(one.synthetic for one in former),
        compounds=compounds,
        given=draft.drawn.given.get(label.code),
    )


def _relabelled(draft: Draft, label: GridLabel) -> NewGrid:
    held = draft.whole[label.id]
    values: dict[str, Any] = structs.asdict(label)
    if label.code in draft.drawn.outlines:
        values |= {"given": draft.drawn.given.get(label.code), "synthetic": False}
    return structs.replace(held, **values)
