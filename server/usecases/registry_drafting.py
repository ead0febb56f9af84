"""A plan of registry changes, read and checked against what stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from schemas.registry_change import begun_by
from server.db import registry, registry_publish
from server.db.database import Connection
from server.db.registry import NewGrid
from server.services import Services
from server.usecases.registry_change_file import Outlines, PlanFile, read_outlines, read_plan
from server.usecases.sessions import find_person
from sync.grid_index import GridIndex
from sync.registry import GridLabel
from sync.registry_changes.changes import Change, Changed, Standing, apply_changes, provisional_id, successors_of
from sync.registry_changes.checks import Checked, Uncovered, check_plan
from sync.registry_changes.handover import Team
from sync.registry_changes.succession import Succession
from sync.registry_checks import Place, read_code
from sync.registry_faults import Fault, fault


class PlanFiles(Struct, frozen=True):
    """The bytes of a plan, and of the file of outlines that it names, if it names one."""

    plan: bytes
    outlines: bytes | None = None


class PlanPapers(NamedTuple):
    """What the files say."""

    plan: PlanFile
    drawn: Outlines


class Draft(NamedTuple):
    """A plan that was checked against what stands; with `faults` it is not to be carried out.

    `whole`: current grids with all of their labels, by id. `named`: whom the plan has take over, by code.
    """

    faults: list[Fault]
    changes: list[Change]
    uncovered: list[Uncovered]
    standing: Standing
    whole: dict[UUID, NewGrid]
    drawn: Outlines
    named: dict[str, Team]

    def changed(self) -> Changed:
        """What it makes of the registry, with ids of their own for grids that are only planned."""
        return apply_changes(self.changes, self.drawn.outlines, self.standing.version + 1, provisional_id)

    def teams(self, changed: Changed) -> dict[UUID, Team]:
        """Whom the plan names, by the ids of the grids that begin."""
        return {label.id: self.named[label.code] for label in changed.begun if label.code in self.named}


def read_papers(files: PlanFiles) -> PlanPapers:
    """Read the files. Raises Problem: import_unreadable, for outlines that are no drawing."""
    plan = read_plan(files.plan)
    return PlanPapers(plan, Outlines({}, {}, []) if plan.faults else read_outlines(files.outlines, plan.crs))


async def draft_plan(
    connection: Connection, services: Services, papers: PlanPapers, prefixes: tuple[str, ...]
) -> Draft:
    """Hold a plan against what stands, in one snapshot."""
    plan, drawn = papers
    grids = await registry_publish.current_grids(connection)
    standing = await _standing(connection, grids)
    named, unknown = await _teams(connection, services, plan)
    faults = [*plan.faults, *drawn.faults]
    if not plan.faults and plan.registry != standing.version:
        told = {"planned": plan.registry, "version": standing.version}
        faults.append(fault("plan_outdated", plan.lines.of("registry"), "", "registry", **told))
    checked = Checked([], [], [])
    if not faults:
        checked = check_plan(plan.operations, drawn.outlines, standing, prefixes, plan.lines)
    every = sorted([*faults, *unknown, *checked.faults], key=lambda one: one.row or 0)
    whole = {grid.id: grid for grid in grids}
    return Draft(every, checked.changes, checked.uncovered, standing, whole, drawn, named)


def plain_code(text: str) -> str:
    """A code of 15 digits, however it was written; what is none stays as it is, for the checks to say so."""
    try:
        return read_code(text).code
    except ValueError:
        return text


def touched_grids(changed: Changed, standing: Standing) -> list[UUID]:
    """Grids whose items are looked at: those that end, get another outline, or go over to another community."""
    before = {label.id: label for label in standing.grids.values()}
    altered = [
        label.id
        for label in changed.relabelled
        if (label.outline, label.community) != (before[label.id].outline, before[label.id].community)
    ]
    return sorted([*(label.id for label in changed.ended), *altered])


def succession_of(changed: Changed, standing: Standing) -> Succession:
    """How items would follow."""
    gone = {label.id for label in (*changed.ended, *changed.relabelled)}
    former = [label for label in standing.grids.values() if label.id in gone]
    current = [label for label in standing.grids.values() if label.id not in gone]
    codes = {label.id: label.code for label in changed.labels}
    # In the order in which the lineage tells them once the plan is carried out.
    successors = {
        one: tuple(sorted(after, key=codes.__getitem__)) for one, after in successors_of(changed.steps).items()
    }
    return Succession(successors, index_of([*current, *changed.labels]), index_of(former))


def index_of(labels: Sequence[GridLabel]) -> GridIndex:
    """Grids by place."""
    return GridIndex([(one.id, one.code, one.outline) for one in labels])


async def _standing(connection: Connection, grids: Sequence[NewGrid]) -> Standing:
    labels = {one.code: GridLabel(one.id, one.code, one.community, one.kind, one.name, one.outline) for one in grids}
    divisions = {
        one.code: Place(one.name_zh, one.outline, one.host_county)
        for one in await registry_publish.whole_divisions(connection)
    }
    given_up = await registry_publish.codes_given_up(connection)
    return Standing(await registry.current_version(connection), labels, given_up, divisions)


async def _teams(connection: Connection, services: Services, plan: PlanFile) -> tuple[dict[str, Team], list[Fault]]:
    """Whom the plan names, by the codes of the grids that begin; and a fault for each who does not work here."""
    named: dict[str, Team] = {}
    faults: list[Fault] = []
    for at, operation in enumerate(plan.operations):
        for begun in (one for one in begun_by(operation) if one.label.team is not None):
            team: list[tuple[UUID, str]] = []
            for number, member in enumerate(begun.label.team or ()):
                place = f"operations[{at}].{begun.place}.team[{number}]"
                person = await find_person(connection, services.keyring, member.user)
                if person is None:
                    faults.append(fault("user_unknown", plan.lines.of(place), begun.label.code, place))
                else:
                    team.append((person.id, member.role))
            named[plain_code(begun.label.code)] = team
    return named, faults
