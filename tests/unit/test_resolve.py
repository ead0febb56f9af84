"""Settling a conflict and taking it back: what the new revision holds, and which choices are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.forms import packaged
from schemas.item_type import Field
from sync.access import Assignment
from sync.decisions import HeldPlace, Reference, Revision
from sync.disputes import SETTLING_ROLES, Choice, Dispute, settling_grants
from sync.items import ItemState, Past, revision_rev
from sync.merge import Overlap
from sync.refusal import Refusal
from sync.registry import GridLabel, Registry
from sync.resolve import Context, resolve, settlement_of, undo

WRITTEN, NOW = datetime(2024, 6, 1, 8, tzinfo=UTC), datetime(2024, 6, 2, 8, tzinfo=UTC)
ITEM, CONFLICT, AUTHOR, PHONE = (UUID(int=number) for number in range(1, 5))
EAST, WEST, NORTH, DWELLING, ELSEWHERE = (UUID(int=number) for number in range(11, 16))
SECRET = bytes(range(32))
CATALOGUE = packaged()


def square(west: float) -> list[list[tuple[float, float]]]:
    return [[(west, 32.0), (west + 0.01, 32.0), (west + 0.01, 32.01), (west, 32.01), (west, 32.0)]]


LABELS = [
    GridLabel(WEST, "341182001001001", "341182001001", "general", "西", square(118.0)),
    GridLabel(EAST, "341182001001002", "341182001001", "general", "东", square(118.01)),
    GridLabel(NORTH, "341182001001003", "341182001001", "general", "北", square(118.02)),
]
REGISTRY = Registry(1, LABELS)
RESIDENT = {
    "name": "张三",
    "id_type": "resident_id",
    "national_id": "11010519491231002X",
    "residence_type": "registered",
    "phone": "13800001234",
    "dwelling": str(DWELLING),
    "relation": "head",
    "living_here": True,
}


@pytest.fixture(autouse=True)
def known_options() -> None:
    """The form above is one that the catalogue takes; otherwise every test below would test nothing."""
    assert CATALOGUE.types["0101"].check_whole(RESIDENT, date(2024, 6, 1)) == []


def item(**changes: Any) -> ItemState:
    state = ItemState(
        id=ITEM,
        type="0101",
        grid_id=WEST,
        stream_class="grid",
        author_id=AUTHOR,
        in_own_stream=False,
        version=3,
        rev=77,
        touch=5,
        deleted=False,
        urgency="normal",
        fields=RESIDENT | {"name": "张三丰"},
        captured_at=WRITTEN,
        received_at=WRITTEN,
        updated_at=WRITTEN,
    )
    return msgspec.structs.replace(state, **changes)


def context(type_code: str = "0101") -> Context:
    return Context(
        compiled=CATALOGUE.types[type_code],
        registry=REGISTRY,
        secret=SECRET,
        references={DWELLING: Reference("0102", WEST), ELSEWHERE: Reference("0102", EAST)},
        now=NOW,
        today=date(2024, 6, 2),
    )


def dispute(kind: str = "update_update", **overlaps: Overlap) -> Dispute:
    return Dispute(CONFLICT, kind, overlaps or {"name": Overlap("张三", "张三丰", "张山")})


def accepted(result: Revision | Refusal) -> Revision:
    assert isinstance(result, Revision), result
    return result


def refused(result: Revision | Refusal) -> Refusal:
    assert isinstance(result, Refusal), result
    return result


def past_of(*revisions: Revision) -> list[Past]:
    first = revisions[0].before
    assert first is not None
    return [
        Past(first.version, first.rev, PHONE, first.fields),
        *(Past(one.after.version, one.after.rev, None, one.fields) for one in revisions),
    ]


def test_taking_the_servers_side_is_a_revision_without_changes() -> None:
    revision = accepted(resolve(dispute(), item(), Choice("server"), context()))
    assert (revision.op, revision.fields, revision.base_version) == ("resolve", {}, 3)
    assert (revision.after.version, revision.after.fields) == (4, item().fields)
    assert revision.after.rev == revision_rev(SECRET, revision.after) != 77


def test_taking_the_incoming_side_changes_only_what_is_in_conflict() -> None:
    revision = accepted(resolve(dispute(), item(), Choice("incoming"), context()))
    assert revision.fields == {"name": "张山"}
    assert revision.after.fields == RESIDENT | {"name": "张山"}
    assert (revision.after.updated_at, revision.after.touch, revision.after.grid_id) == (NOW, 5, WEST)


def test_the_servers_side_is_what_the_item_holds_now() -> None:
    """It moved on since the conflict opened: the value that was in conflict then must not come back."""
    moved = item(fields=RESIDENT | {"name": "张三峰"}, version=9)
    revision = accepted(resolve(dispute(), moved, Choice("server"), context()))
    assert (revision.after.version, revision.after.fields["name"]) == (10, "张三峰")


def test_a_merge_takes_a_side_or_a_value_for_each_field() -> None:
    overlaps = {
        "name": Overlap("张三", "张三丰", "张山"),
        "residence_type": Overlap("registered", "apart", "floating"),
        "id_type": Overlap("resident_id", "resident_id", "passport"),
    }
    choice = Choice("merge", {"name": "incoming", "id_type": "server"}, {"residence_type": "registered"})
    state = item(fields=RESIDENT | {"name": "张三丰", "residence_type": "apart"})
    revision = accepted(resolve(dispute(**overlaps), state, choice, context()))
    assert revision.fields == {"name": "张山", "residence_type": "registered"}
    assert revision.after.fields == RESIDENT | {"name": "张山"}


def test_a_merge_may_correct_a_field_that_was_not_in_conflict() -> None:
    choice = Choice("merge", {"name": "server"}, {"remark": None, "phone": "13900005678"})
    revision = accepted(resolve(dispute(), item(), choice, context()))
    assert revision.fields == {"phone": "13900005678"}


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (Choice("merge"), "name"),
        (Choice("merge", {"name": "server", "phone": "incoming"}), "phone"),
        (Choice("merge", {"name": "server"}, {"nickname": "小三"}), "nickname"),
        (Choice("merge", {}, {"name": None}), "name"),
        (Choice("merge", {}, {"name": "  "}), "name"),
        (Choice("merge", {"name": "server"}, {"national_id": "110105194912310021"}), "national_id"),
        (Choice("server", {"name": "incoming"}), None),
        (Choice("incoming", {}, {"name": "张三"}), None),
    ],
)
def test_a_choice_that_cannot_stand_names_its_field(choice: Choice, field: str | None) -> None:
    refusal = refused(resolve(dispute(), item(), choice, context()))
    assert (refusal.code, refusal.field) == ("resolution_invalid", field)
    assert "11010519" not in refusal.zh + refusal.en


def test_every_faulty_field_is_named() -> None:
    overlaps = {"name": Overlap("张三", "张三丰", None), "relation": Overlap("head", "spouse", None)}
    refusal = refused(resolve(dispute(**overlaps), item(), Choice("incoming"), context()))
    assert "“姓名”" in refusal.zh
    assert "“与户主关系”" in refusal.zh
    assert "“Name”" in refusal.en


def test_what_is_put_into_an_unsound_item_must_make_it_sound() -> None:
    """Two edits that are valid alone and not together: the document's kind by one, its number by the other."""
    overlaps = {"id_type": Overlap("resident_id", "resident_id", "hmt_residence")}
    assert refused(resolve(dispute(**overlaps), item(), Choice("incoming"), context())).field == "national_id"
    mended = Choice("merge", {"id_type": "incoming"}, {"national_id": "810000199408230021"})
    assert accepted(resolve(dispute(**overlaps), item(), mended, context())).after.fields["id_type"] == "hmt_residence"


def test_a_reference_must_lead_to_an_item_of_its_type() -> None:
    overlaps = {"dwelling": Overlap(str(DWELLING), str(DWELLING), str(UUID(int=99)))}
    refusal = refused(resolve(dispute(**overlaps), item(), Choice("incoming"), context()))
    assert (refusal.code, refusal.field) == ("reference_unknown", "dwelling")


def test_a_value_that_tells_the_place_moves_the_item_and_says_how() -> None:
    overlaps = {"dwelling": Overlap(None, str(DWELLING), str(ELSEWHERE))}
    revision = accepted(resolve(dispute(**overlaps), item(), Choice("incoming"), context()))
    assert revision.after.grid_id == EAST
    assert revision.derivation is not None
    assert revision.derivation["source"] == "reference"


def test_an_edit_that_is_taken_restores_a_deleted_item() -> None:
    deleted = item(deleted=True)
    edit = dispute("update_delete", phone=Overlap("13800001234", None, "13900005678"))
    revision = accepted(resolve(edit, deleted, Choice("incoming"), context()))
    assert (revision.after.deleted, revision.fields) == (False, {"phone": "13900005678"})
    assert revision.after.fields["name"] == "张三丰"
    kept = accepted(resolve(edit, deleted, Choice("server"), context()))
    assert (kept.after.deleted, kept.fields, kept.after.version) == (True, {}, 4)


def test_a_deletion_is_taken_or_not_and_never_merged() -> None:
    deletion = dispute("delete_update", name=Overlap("张三", "张三丰", None))
    taken = accepted(resolve(deletion, item(), Choice("incoming"), context()))
    assert (taken.after.deleted, taken.fields, taken.after.fields) == (True, {}, item().fields)
    kept = accepted(resolve(deletion, item(), Choice("server"), context()))
    assert (kept.after.deleted, kept.fields) == (False, {})
    assert (
        refused(resolve(deletion, item(), Choice("merge", {"name": "server"}), context())).code == "resolution_invalid"
    )


def test_rules_judge_the_settled_values() -> None:
    """A gas leak makes the report critical; undoing makes it what it was."""
    state = item(type="0402", fields=gas_hazard("hose"), urgency="normal")
    held = dispute(hazards=Overlap(None, ["hose"], ["leak"]))
    raised = accepted(resolve(held, state, Choice("incoming"), context("0402")))
    assert raised.after.urgency == "critical"
    settlement = settlement_of(held, "incoming", raised)
    undone = accepted(undo(settlement, 4, raised.after, past_of(raised), context("0402")))
    assert (undone.after.urgency, undone.after.fields) == ("normal", state.fields)


def gas_hazard(hazard: str) -> dict[str, Any]:
    """A whole form of type 0402, with values that its fields take."""
    values: dict[str, Any] = {"hazards": [hazard]}
    for field in CATALOGUE.types["0402"].type.fields:
        if field.key not in values and field.required:
            values[field.key] = value_of(field)
    assert CATALOGUE.types["0402"].check_whole(values, NOW.date()) == []
    return values


def value_of(field: Field) -> Any:
    match field.type:
        case "enum":
            return [field.options[0].value] if field.multi else field.options[0].value
        case "geo_point":
            return {"lon": 118.005, "lat": 32.005, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}
        case "boolean":
            return False
        case "reference":
            return str(DWELLING)
        case _:
            return "厨房软管老化"


# Undoing -------------------------------------------------------------------------------------------------


def resolved(choice: Choice, before: ItemState, held: Dispute) -> tuple[Revision, Any]:
    revision = accepted(resolve(held, before, choice, context()))
    return revision, settlement_of(held, choice.take, revision)


def test_undoing_brings_back_exactly_what_was_changed() -> None:
    revision, settlement = resolved(Choice("incoming"), item(), dispute())
    other_edit = msgspec.structs.replace(
        revision.after, version=5, fields=revision.after.fields | {"phone": "13900005678"}
    )
    past = [*past_of(revision), Past(5, 5, PHONE, {"phone": "13900005678"})]
    undone = accepted(undo(settlement, 4, other_edit, past, context()))
    assert (undone.op, undone.fields, undone.after.version) == ("undo", {"name": "张三丰"}, 6)
    assert undone.after.fields == RESIDENT | {"name": "张三丰", "phone": "13900005678"}


def test_undoing_clears_what_the_resolution_filled() -> None:
    held = dispute(remark=Overlap(None, None, "独居"))
    revision, settlement = resolved(Choice("incoming"), item(), held)
    undone = accepted(undo(settlement, 4, revision.after, past_of(revision), context()))
    assert undone.fields == {"remark": None}
    assert undone.after.fields == item().fields


@pytest.mark.parametrize("later", [{"name": "张三峰"}, {"name": None}, {"name": "张山"}])
def test_undoing_is_too_late_once_a_field_was_written_again(later: dict[str, Any]) -> None:
    revision, settlement = resolved(Choice("incoming"), item(), dispute())
    edited = msgspec.structs.replace(revision.after, version=5, fields=revision.after.fields | later)
    past = [*past_of(revision), Past(5, 5, PHONE, later)]
    assert refused(undo(settlement, 4, edited, past, context())).code == "undo_too_late"


def test_undoing_is_too_late_once_the_item_was_deleted() -> None:
    revision, settlement = resolved(Choice("incoming"), item(), dispute())
    deleted = msgspec.structs.replace(revision.after, version=5, deleted=True)
    past = [*past_of(revision), Past(5, 5, PHONE, {})]
    assert refused(undo(settlement, 4, deleted, past, context())).code == "undo_too_late"


def test_undoing_turns_deletion_and_restoration_back() -> None:
    deletion = dispute("delete_update", name=Overlap("张三", "张三丰", None))
    revision, settlement = resolved(Choice("incoming"), item(), deletion)
    undone = accepted(undo(settlement, 4, revision.after, past_of(revision), context()))
    assert (undone.after.deleted, undone.after.fields) == (False, item().fields)
    edit = dispute("update_delete", phone=Overlap("13800001234", None, "13900005678"))
    revision, settlement = resolved(Choice("incoming"), item(deleted=True), edit)
    undone = accepted(undo(settlement, 4, revision.after, past_of(revision), context()))
    assert (undone.after.deleted, undone.after.fields) == (True, item().fields)


def test_undoing_moves_the_item_back_to_where_it_was() -> None:
    """Where its fields would not lead: the dwelling that it returns to lies in another grid by now."""
    held = dispute(dwelling=Overlap(None, str(DWELLING), str(ELSEWHERE)))
    start = item(grid_id=NORTH)
    revision, settlement = resolved(Choice("incoming"), start, held)
    assert revision.after.grid_id == EAST
    undone = accepted(undo(settlement, 4, revision.after, past_of(revision), context()))
    assert (undone.after.grid_id, undone.after.fields) == (NORTH, start.fields)
    assert undone.after.rev == revision_rev(SECRET, undone.after)


def test_undoing_moves_nothing_into_a_grid_that_is_no_more() -> None:
    held = dispute(dwelling=Overlap(None, str(DWELLING), str(ELSEWHERE)))
    revision, settlement = resolved(Choice("incoming"), item(grid_id=NORTH), held)
    later = msgspec.structs.replace(context(), registry=Registry(2, LABELS[:2]))
    undone = accepted(undo(settlement, 4, revision.after, past_of(revision), later))
    assert undone.after.grid_id == WEST


VALUES = {
    "name": st.sampled_from(["张三", "李四", "王五"]),
    "residence_type": st.sampled_from(["registered", "apart", "floating"]),
    "phone": st.sampled_from(["13800001234", "13900005678"]),
    "remark": st.one_of(st.none(), st.sampled_from(["独居", "常年外出"])),
}


@given(
    kind=st.sampled_from(["update_update", "update_delete", "delete_update"]),
    deleted=st.booleans(),
    take=st.sampled_from(["server", "incoming"]),
    server=st.fixed_dictionaries(VALUES),
    incoming=st.fixed_dictionaries({}, optional=VALUES).filter(bool),
)
def test_resolving_undoing_and_resolving_again_is_resolving_once(
    kind: str, deleted: bool, take: Any, server: dict[str, Any], incoming: dict[str, Any]
) -> None:
    held = dispute(kind, **{key: Overlap(None, server[key], value) for key, value in incoming.items()})
    fields = {key: value for key, value in (RESIDENT | server).items() if value is not None}
    start = item(fields=fields, deleted=deleted)
    once, settlement = resolved(Choice(take), start, held)
    undone = accepted(undo(settlement, 4, once.after, past_of(once), context()))
    assert (undone.after.fields, undone.after.deleted) == (start.fields, start.deleted)
    again = accepted(resolve(held, undone.after, Choice(take), context()))
    assert (again.after.fields, again.after.deleted, again.fields) == (
        once.after.fields,
        once.after.deleted,
        once.fields,
    )


# Who -----------------------------------------------------------------------------------------------------


def holding(role: str) -> Assignment:
    grid = WEST if role in ("grid_worker", "grid_chief") else None
    department = "gongan" if role == "department_handler" else None
    return Assignment(role=role, grid_id=grid, division="341182001001", department=department, valid_from=WRITTEN)


def test_the_roles_that_settle_are_those_that_approve() -> None:
    assert {role.code for role in CATALOGUE.source.roles if role.approves} == SETTLING_ROLES


@pytest.mark.parametrize("role", sorted(role.code for role in CATALOGUE.source.roles))
def test_only_a_settling_role_is_given_anything(role: str) -> None:
    grants = settling_grants([holding(role)], [one.type for one in CATALOGUE.types.values()])
    assert bool(grants) == (role in SETTLING_ROLES)


def test_having_written_an_item_gives_no_say_over_it() -> None:
    grants = settling_grants([holding("grid_chief")], [CATALOGUE.types["0203"].type])
    assert all(grant.reach.author_id is None or grant.reach.author_id.int == 0 for grant in grants)


def kind(of: str, op: str, *, grouped: bool = False, place: HeldPlace | None = None, **overlaps: Overlap) -> Dispute:
    return Dispute(CONFLICT, of, overlaps, place, op, None, grouped)


def test_a_deletion_of_what_others_refer_to_is_taken_or_not() -> None:
    disputed = kind("referenced", "delete")
    assert accepted(resolve(disputed, item(), Choice("incoming"), context())).after.deleted
    assert not accepted(resolve(disputed, item(), Choice("server"), context())).after.deleted
    assert refused(resolve(disputed, item(), Choice("merge"), context())).code == "resolution_invalid"


def test_of_a_duplicate_both_stay_or_the_second_goes() -> None:
    disputed = kind("duplicate", "create")
    assert not accepted(resolve(disputed, item(), Choice("server"), context())).after.deleted
    gone = accepted(resolve(disputed, item(), Choice("incoming"), context()))
    assert gone.after.deleted
    back = undo(settlement_of(disputed, "incoming", gone), gone.after.version, gone.after, past_of(gone), context())
    assert not accepted(back).after.deleted


def test_what_was_held_gets_the_grid_it_was_to_get_or_is_dropped() -> None:
    held = item(grid_id=None)
    disputed = kind("group", "create", place=HeldPlace(grid=EAST, candidates=(EAST,)))
    taken = accepted(resolve(disputed, held, Choice("incoming"), context()))
    assert (taken.after.grid_id, taken.after.deleted) == (EAST, False)
    back = undo(settlement_of(disputed, "incoming", taken), taken.after.version, taken.after, past_of(taken), context())
    assert accepted(back).after.grid_id is None
    assert accepted(resolve(disputed, held, Choice("server"), context())).after.deleted


def test_a_grid_that_is_no_longer_current_gives_way_to_what_the_item_says() -> None:
    disputed = kind("referenced", "create", place=HeldPlace(grid=UUID(int=99)))
    taken = accepted(resolve(disputed, item(grid_id=None), Choice("incoming"), context()))
    assert taken.after.grid_id == WEST, "that of its dwelling"


def test_a_held_item_whose_grid_nothing_tells_is_not_taken_in() -> None:
    held = item(grid_id=None, fields=RESIDENT | {"dwelling": str(UUID(int=77))})
    assert refused(resolve(kind("referenced", "create"), held, Choice("incoming"), context())).code == (
        "resolution_invalid"
    )


def test_nobody_names_a_deleted_item_and_only_what_is_parked_may_keep_one() -> None:
    gone = UUID(int=55)
    known = context().references | {gone: Reference("0102", EAST, deleted=True)}
    given = msgspec.structs.replace(context(), references=known)
    disputed = kind("referenced", "update", dwelling=Overlap(str(DWELLING), str(DWELLING), str(gone)))
    own = Choice("merge", {}, {"dwelling": str(gone)})
    assert refused(resolve(disputed, item(), own, given)).code == "reference_unknown"
    assert accepted(resolve(disputed, item(), Choice("incoming"), given)).after.fields["dwelling"] == str(gone)


def test_in_a_group_all_are_taken_or_none_and_a_code_needs_its_grid() -> None:
    edit = kind("group", "update", grouped=True, name=Overlap("张三", "张三丰", "张山"))
    assert refused(resolve(edit, item(), Choice("merge", {"name": "server"}), context())).code == "resolution_invalid"
    assert accepted(resolve(edit, item(), Choice("incoming"), context())).after.fields["name"] == "张山"
    code = kind("code", "create", grouped=True)
    assert refused(resolve(code, item(grid_id=None), Choice("incoming"), context())).field == "grid"
    assert accepted(resolve(code, item(grid_id=None), Choice("server"), context())).after.deleted
