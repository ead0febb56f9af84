"""Every small case: three devices, up to two changes each, in every order in which their pushes can arrive.

A tiny server in memory around `decide_set`: it keeps heads, history, conflicts and streams as the real one does, and
each device pulls before a change or does not. After every run nothing is lost, no device met itself, and the streams
agree with the items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from itertools import product
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import msgspec
import pytest

from schemas.forms import packaged
from schemas.wire import Base, Change, Transition
from sync.access import Assignment
from sync.case_state import CaseState
from sync.decide import decide_set
from sync.decisions import CaseFacts, Conflict, Decision, OpenConflict, SetContext
from sync.feed import to_hex
from sync.items import ItemState, Past, revision_rev, stream_keys
from tests.unit.test_decide import CAPTURE, CAPTURED, GRID, NOW, OTHER_GRID, REGISTRY, SECRET, WORKER, house, point
from tests.unit.test_decide_kinds import FIRE, HAZARD, SEEN, SHOWN

pytestmark = pytest.mark.long

DEVICES = tuple(UUID(int=number) for number in (1, 2, 3))
CATALOGUE = packaged()
TEAM = [
    Assignment(role="grid_worker", grid_id=grid, division="341182001001", valid_from=CAPTURED.replace(year=2020))
    for grid in (GRID, OTHER_GRID)
]
EDITS = ("same", "other", "move", "delete")
STEPS = ("same", "other", "move", "verify")


class Pushed(NamedTuple):
    """A change that was sent, and what became of it."""

    device: UUID
    change: Change
    decision: Decision


class Secrets(dict[UUID, bytes]):
    def __missing__(self, key: UUID) -> bytes:
        return SECRET


class Server:
    """One item, its case, its history and its conflicts."""

    def __init__(self, type_code: str) -> None:
        first = ItemState(
            id=UUID(int=9), type=type_code, grid_id=GRID, stream_class="grid", author_id=WORKER, in_own_stream=False,
            version=1, rev=0, touch=0, deleted=False, urgency="normal",
            fields=house() if type_code == "0102" else HAZARD | {"photos": [SEEN]}, captured_at=CAPTURED,
            received_at=NOW, updated_at=NOW,
        )  # fmt: skip
        self.head = msgspec.structs.replace(first, rev=revision_rev(SECRET, first))
        self.past = [Past(1, self.head.rev, None, self.head.fields)]
        self.conflicts: list[tuple[UUID, Conflict]] = []
        self.joined: dict[UUID, list[dict[str, Any]]] = {}
        self.pushed: list[Pushed] = []
        self.carriers = dict.fromkeys(stream_keys(self.head), True)
        case = CaseState(state="handled", urgency="normal", department="xiaofang", opened_at=NOW, organisation=FIRE)
        self.facts = CaseFacts(case, True, SHOWN)

    def context(self, device: UUID, name: str) -> SetContext:
        held = [
            OpenConflict(one.id, one.kind, owner, frozenset(one.overlaps), one.op, one.group is not None)
            for owner, one in self.conflicts
        ]
        return SetContext(
            catalogue=CATALOGUE, registry=REGISTRY, author_id=WORKER, device_id=device, assignments=TEAM, now=NOW,
            today=NOW.date(), items={self.head.id: self.head}, past={self.head.id: self.past}, secrets=Secrets(),
            references={}, open_conflicts={self.head.id: held}, set_name=name, cases={self.head.id: self.facts},
            written_registry=REGISTRY.version,
        )  # fmt: skip

    def push(self, device: UUID, change: Change) -> None:
        context = self.context(device, f"e/{len(self.pushed)}")
        (decision,), (again,) = (decide_set([(change, CAPTURED)], context) for _ in range(2))
        assert decision == again, "the same set is decided the same way"
        self.pushed.append(Pushed(device, change, decision))
        if decision.revision is not None:
            self._store(device, decision)
        if decision.conflict is not None:
            self.conflicts.append((device, decision.conflict))
        if decision.joined is not None:
            self.joined.setdefault(decision.joined, []).append(decision.joined_fields)
        if decision.move is not None:
            assert decision.move.before == self.facts.case
            self.facts = msgspec.structs.replace(self.facts, case=decision.move.after)

    def copy(self) -> Server:
        """The same, to go another way from here."""
        other = copy(self)
        other.past, other.conflicts, other.pushed = [*self.past], [*self.conflicts], [*self.pushed]
        other.carriers, other.joined = {**self.carriers}, {key: [*taken] for key, taken in self.joined.items()}
        return other

    def deleted_by(self, device: UUID) -> bool:
        """Whether this device deleted the item, and it is gone."""
        mine = (one for one in self.pushed if one.device == device and one.change.op == "delete")
        return self.head.deleted and any(one.decision.outcome == "applied" for one in mine)

    def _store(self, device: UUID, decision: Decision) -> None:
        revision = decision.revision
        assert revision is not None
        assert revision.before == self.head
        assert revision.after.version == self.head.version + 1, "versions are gapless"
        now, before = stream_keys(revision.after), stream_keys(self.head)
        for key in now | before:
            self.carriers[key] = key in now
        self.head = revision.after
        self.past.append(Past(self.head.version, self.head.rev, device, revision.fields))


def fields_of(what: str, value: int) -> dict[str, Any]:
    """What a change writes; every device writes other values."""
    if what == "move":
        return {"location": point(118.015 if value % 2 else 118.005) | {"accuracy": 5.0 + value}}
    return {"same": {"description": f"第{value}次"}, "other": {"hazards": [["ebike"], ["lane"]][value % 2]}}[what]


def record_fields(what: str, value: int) -> dict[str, Any]:
    if what == "move":
        return fields_of(what, value)
    return {"same": {"address": f"明珠路 {value} 号"}, "other": {"rooms_let": value}}[what]


def change_of(type_code: str, what: str, value: int, base: Base) -> Change:
    item = UUID(int=9)
    if what == "delete":
        return Change("delete", item, type_code, CAPTURE, base)
    if what == "verify":
        return Change("transition", item, type_code, CAPTURE, base, transition=Transition("verify", "handled"))
    written = record_fields(what, value) if type_code == "0102" else fields_of(what, value)
    return Change("update", item, type_code, CAPTURE, base, fields=written)


class Board(NamedTuple):
    """A server in the middle of a run: what each device holds as its base, and how much each still writes."""

    server: Server
    bases: tuple[Base, ...]
    left: tuple[int, ...]
    told: tuple[str, ...] = ()


def boards(kinds: Sequence[str], board: Board) -> Iterator[Board]:
    """Every end that can be reached: each device that has something left writes each kind, having pulled or not.

    Beginnings are shared between the ends, which makes five pushes an end into little more than one.
    """
    if not any(board.left):
        yield board
    for device in range(len(DEVICES)):
        # The first two write alike, so who of them is first makes no difference.
        if not board.left[device] or (device == 1 and board.left[0] == 2):
            continue
        for pulls, what in product((False, True) if board.left[device] == 1 and device < 2 else (False,), kinds):
            yield from boards(kinds, _after(board, device, what, pulls))


def _after(board: Board, device: int, what: str, pulls: bool) -> Board:
    head, left = board.server.head, list(board.left)
    bases = list(board.bases)
    if pulls:
        bases[device] = Base(head.version, to_hex(head.rev))
    left[device] -= 1
    told = (*board.told, f"{device}{'p' if pulls else ''}:{what}")
    # A phone shows nothing that it deleted itself, so nobody edits that there.
    if board.server.deleted_by(DEVICES[device]):
        return Board(board.server, tuple(bases), tuple(left), told)
    server = board.server.copy()
    server.push(DEVICES[device], change_of(head.type, what, len(told), bases[device]))
    return Board(server, tuple(bases), tuple(left), told)


def check(server: Server) -> None:
    """What must hold after every run."""
    assert [one.version for one in server.past] == list(range(1, server.head.version + 1))
    carrying = {key for key, present in server.carriers.items() if present}
    assert carrying == stream_keys(server.head), "exactly the streams of the head carry the item"
    assert len([key for key in carrying if key.startswith("grid/")]) == (0 if server.head.deleted else 1)
    for place, pushed in enumerate(server.pushed):
        _check_kept(server, place, pushed)
        _check_not_with_itself(server, place, pushed)


def _check_kept(server: Server, place: int, pushed: Pushed) -> None:
    """I5: each value is current, superseded by a named revision, or held in a conflict or the quarantine."""
    decision = pushed.decision
    if decision.held:
        return
    for key, value in pushed.change.fields.items():
        current = server.head.fields.get(key) == value
        in_history = any(key in one.fields and one.fields[key] == value for one in server.past)
        parked = any(owner == pushed.device and _holds(one, key, value) for owner, one in server.conflicts)
        joined = any(fields.get(key) == value for taken in server.joined.values() for fields in taken)
        assert current or in_history or parked or joined, (place, key, value)
    if pushed.change.op == "delete":
        assert server.head.deleted or decision.conflict is not None or decision.revision is not None
    if pushed.change.op == "transition":
        assert server.facts.case.state == "verified" or decision.conflict is not None


def _holds(conflict: Conflict, key: str, value: Any) -> bool:
    return key in conflict.overlaps and conflict.overlaps[key].incoming == value


def _check_not_with_itself(server: Server, place: int, pushed: Pushed) -> None:
    """A conflict needs another device that wrote something before it."""
    conflict = pushed.decision.conflict
    if conflict is None:
        return
    others = [one for one in server.pushed[:place] if one.device != pushed.device]
    assert others, "a device conflicts with nobody"
    for key in conflict.overlaps if conflict.kind == "update_update" else ():
        assert any(key in one.change.fields for one in others), (place, key)


@pytest.mark.parametrize(("type_code", "kinds"), [("0102", EDITS), ("0401", STEPS)])
def test_whatever_the_order_nothing_is_lost(type_code: str, kinds: Sequence[str]) -> None:
    """61,440 ends for a record and as many for an event."""
    server = Server(type_code)
    begin = Board(server, (Base(1, to_hex(server.head.rev)),) * 3, (2, 2, 1))
    count, outcomes = 0, Counter[str]()
    for board in boards(kinds, begin):
        count += 1
        outcomes.update(one.decision.outcome for one in board.server.pushed)
        try:
            check(board.server)
        except AssertionError as error:
            raise AssertionError(" ".join(board.told)) from error
    assert count == len(kinds) ** 5 * 4 * 15
    assert min(outcomes["applied"], outcomes["parked"], outcomes["merged"]) > count / 10, outcomes


def test_a_conflict_is_named_alike_whoever_decides_it() -> None:
    assert uuid5(DEVICES[0], "e/4/0 conflict") == Server("0102").context(DEVICES[0], "e/4").id_of(0, "conflict")
