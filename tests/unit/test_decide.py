"""Deciding change sets: outcomes by kind of change, chained edits, parking, and what is kept for a person."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from schemas.forms import packaged
from schemas.wire import Base, Capture, Change
from sync.access import Assignment, device_streams
from sync.decide import Undecoded, decide_set
from sync.decisions import SetContext
from sync.feed import to_hex
from sync.items import ItemState, Past, class_stream, revision_rev, stream_keys
from sync.registry import GridLabel, Registry
from sync.territory import Sighting
from sync.working import Working

NOW = datetime(2026, 5, 6, 4, tzinfo=UTC)
CAPTURED = NOW - timedelta(hours=3)
GRID, OTHER_GRID = uuid4(), uuid4()
WORKER, COLLEAGUE = uuid4(), uuid4()
PHONE, OTHER_PHONE = uuid4(), uuid4()
SECRET = b"k" * 32
CODES = {GRID: "341182001001001", OTHER_GRID: "341182001001002"}
CAPTURE = Capture(wall=CAPTURED, mono=1, boot="b")


def square(lon):
    return [[(lon, 32.0), (lon + 0.01, 32.0), (lon + 0.01, 32.01), (lon, 32.01)]]


REGISTRY = Registry(
    1,
    [
        GridLabel(GRID, CODES[GRID], "341182001001", "general", "一", square(118.0)),
        GridLabel(OTHER_GRID, CODES[OTHER_GRID], "341182001001", "general", "二", square(118.01)),
    ],
)


def point(lon):
    return {"lon": lon, "lat": 32.005, "crs": "wgs84", "accuracy": 5.0, "provider": "gps", "fixed_at": None}


def house(lon=118.005, **fields):
    return {"address": "明珠路 1 号", "unit_no": "1-101", "use": "owner", "location": point(lon)} | fields


def item(fields, *, type_code="0102", version=1, author=WORKER, deleted=False, grid=GRID):
    state = ItemState(
        id=uuid4(), type=type_code, grid_id=grid, stream_class="grid", author_id=author, in_own_stream=False,
        version=version, rev=0, touch=0, deleted=deleted, urgency="normal", fields=fields, captured_at=CAPTURED,
        received_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return msgspec.structs.replace(state, rev=revision_rev(SECRET, state))


def context(*states, past=None, role="grid_worker", references=None, open_conflicts=None):
    class AnySecret(dict):
        def __missing__(self, key):
            return SECRET

    held = Assignment(role=role, grid_id=GRID, division="341182001001", valid_from=NOW - timedelta(days=9))
    return SetContext(
        catalogue=packaged(), registry=REGISTRY, author_id=WORKER, device_id=PHONE, assignments=[held], now=NOW,
        today=date(2026, 5, 6), items={state.id: state for state in states},
        past=past or {state.id: [Past(state.version, state.rev, None, state.fields)] for state in states},
        secrets=AnySecret(), references=references or {}, open_conflicts=open_conflicts or {}, set_name="e/1",
        written_registry=1,
    )  # fmt: skip


def change(op, item_id=None, fields=None, base=None, type_code="0102", **more):
    return Change(op, item_id or uuid4(), type_code, CAPTURE, base, fields=fields or {}, **more)


def decide(context, *changes):
    return decide_set([(one, CAPTURED) for one in changes], context)


def base_of(state):
    return Base(state.version, to_hex(state.rev))


def test_a_created_record_belongs_to_the_grid_of_its_point():
    (decision,) = decide(context(), change("create", fields=house()))
    assert decision.outcome == "applied"
    after = decision.revision.after
    assert (after.grid_id, after.version, after.in_own_stream) == (GRID, 1, False)
    assert decision.revision.derivation["source"] == "point"


def test_records_outside_the_assigned_grids_are_kept_not_applied():
    (decision,) = decide(context(), change("create", fields=house(lon=118.015)))
    assert (decision.outcome, decision.code) == ("quarantined", "out_of_scope")


def test_write_authority_is_that_of_the_capture_not_of_the_receipt():
    late = context()
    ended = msgspec.structs.replace(late.assignments[0], valid_to=NOW - timedelta(hours=1))
    late = msgspec.structs.replace(late, assignments=[ended])
    (in_time,) = decide_set([(change("create", fields=house()), CAPTURED)], late)
    (too_late,) = decide_set([(change("create", fields=house()), NOW)], late)
    assert (in_time.outcome, too_late.outcome) == ("applied", "quarantined")


def test_what_one_set_brings_is_judged_by_each_capture_for_itself():
    began = msgspec.structs.replace(context().assignments[0], valid_from=CAPTURED)
    since = msgspec.structs.replace(context(), assignments=[began])
    houses = [change("create", fields=house(unit_no=no)) for no in ("1", "2", "3")]
    dated = zip(houses, (CAPTURED, CAPTURED - timedelta(seconds=1), NOW), strict=True)
    assert [one.code for one in decide_set(list(dated), since)] == [None, "role_may_not_write", None]


def test_an_event_outside_ones_grids_stays_in_the_authors_own_stream():
    hazard = {
        "hazards": ["ebike"], "description": "楼道堆放电动车", "fixed_on_site": False, "location": point(118.015),
    }  # fmt: skip
    (decision,) = decide(context(), change("create", fields=hazard, type_code="0401"))
    assert decision.outcome == "applied"
    assert (decision.revision.after.grid_id, decision.revision.after.in_own_stream) == (OTHER_GRID, True)


def test_without_any_source_a_person_is_to_tell_the_grid():
    (decision,) = decide(context(), change("create", fields=house(lon=119.5)))
    assert (decision.outcome, decision.conflict.kind, decision.revision.after.grid_id) == ("parked", "territory", None)
    assert (decision.conflict.claim.fault, decision.conflict.claim.candidates) == ("untold", ())
    (near,) = decide(context(), change("create", fields=house(lon=118.00999)))
    assert (near.conflict.claim.fault, near.conflict.claim.candidates) == ("border", (GRID, OTHER_GRID))
    (claimed,) = decide(context(), change("create", fields=house(lon=119.5), grid=CODES[GRID]))
    assert claimed.outcome == "applied"


def test_a_code_that_decides_nothing_parks_the_item_with_the_code():
    item_id = uuid4()
    decisions = decide(
        context(),
        change("create", item_id, house(lon=119.5), grid="341182001001777"),
        change("update", item_id, {"rooms_let": 2}),
        change("update", item_id, {"location": point(118.005)}),
    )
    parked, edited, placed = decisions
    assert [one.outcome for one in decisions] == ["parked", "applied", "applied"]
    claim = parked.conflict.claim
    assert (parked.conflict.kind, parked.conflict.overlaps) == ("code", {})
    assert (claim.code, claim.fault, claim.candidates) == ("341182001001777", "unknown", ())
    assert claim.counties == ("341182",)
    assert parked.revision.after.grid_id is None
    assert stream_keys(parked.revision.after) == {f"own/{WORKER}"}
    assert (edited.revision.after.grid_id, edited.placed) == (None, None)
    assert (placed.revision.after.grid_id, placed.placed) == (GRID, parked.conflict.id)
    assert stream_keys(placed.revision.after) == {f"grid/{GRID}"}


def test_a_conflict_about_a_code_takes_up_no_fields():
    item_id = uuid4()
    first, _, late = decide(
        context(),
        change("create", item_id, house(lon=119.5), grid="341182001001777"),
        change("delete", item_id),
        change("update", item_id, {"rooms_let": 2}),
    )
    assert (late.outcome, late.conflict.kind, late.joined) == ("parked", "update_delete", None)
    assert late.conflict.id != first.conflict.id


def test_a_record_that_finds_a_grid_its_author_does_not_write_in_is_kept_parked():
    item_id = uuid4()
    _, moved = decide(
        context(),
        change("create", item_id, house(lon=119.5), grid="341182001001777"),
        change("update", item_id, {"location": point(118.015)}),
    )
    assert (moved.outcome, moved.code) == ("quarantined", "out_of_scope")


def test_a_source_that_decides_makes_a_bad_code_harmless():
    (decision,) = decide(context(), change("create", fields=house(), grid="341182001001777"))
    assert (decision.outcome, decision.revision.after.grid_id) == ("applied", GRID)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        (house(address=None), "field_required", "address"),
        (house(use="castle"), "field_option", "use"),
        (house(rooms_let="3"), "field_type", "rooms_let"),
        (house(unknown=1), "field_unknown", "unknown"),
    ],
)
def test_faulty_forms_are_rejected_naming_the_field(fields, code, field):
    (decision,) = decide(context(), change("create", fields=fields))
    assert (decision.outcome, decision.code, decision.fault.field) == ("rejected", code, field)


def test_one_bad_change_does_not_touch_the_others():
    good = change("create", fields=house())
    decisions = decide_set([(good, CAPTURED), Undecoded("change_malformed"), (change("update"), CAPTURED)], context())
    assert [one.outcome for one in decisions] == ["applied", "rejected", "quarantined"]
    assert decisions[2].code == "item_unknown"


def test_edits_of_an_item_of_the_same_set_are_chained():
    item_id = uuid4()
    decisions = decide(
        context(),
        change("create", item_id, house()),
        change("update", item_id, {"rooms_let": 2}),
        change("delete", item_id),
    )
    assert [one.outcome for one in decisions] == ["applied"] * 3
    assert [one.revision.after.version for one in decisions] == [1, 2, 3]
    assert decisions[2].revision.after.deleted


def test_an_update_on_the_head_is_applied_with_only_its_fields():
    state = item(house())
    (decision,) = decide(context(state), change("update", state.id, {"rooms_let": 4}, base_of(state)))
    assert decision.outcome == "applied"
    assert decision.revision.fields == {"rooms_let": 4}
    assert decision.revision.after.fields == house(rooms_let=4)
    assert decision.revision.after.rev != state.rev


def stale(theirs, *, deleted=False):
    """A house at version 2: version 1 by nobody in particular, version 2 by a colleague's phone."""
    first = item(house())
    second = msgspec.structs.replace(first, version=2, fields=first.fields | theirs, deleted=deleted)
    second = msgspec.structs.replace(second, rev=revision_rev(SECRET, second))
    past = {first.id: [Past(1, first.rev, None, first.fields), Past(2, second.rev, OTHER_PHONE, theirs)]}
    return first, second, past


def test_disjoint_edits_on_an_old_base_merge():
    first, second, past = stale({"rooms_let": 2})
    (decision,) = decide(context(second, past=past), change("update", first.id, {"gas_cylinder": True}, base_of(first)))
    assert decision.outcome == "merged"
    assert decision.revision.after.fields == house(rooms_let=2, gas_cylinder=True)


def test_overlapping_edits_park_and_the_rest_of_the_change_goes_on():
    first, second, past = stale({"address": "明珠路 2 号"})
    edit = {"address": "明珠路 3 号", "gas_cylinder": True}
    (decision,) = decide(context(second, past=past), change("update", first.id, edit, base_of(first)))
    assert decision.outcome == "parked"
    assert decision.conflict.kind == "update_update"
    overlap = decision.conflict.overlaps["address"]
    assert (overlap.base, overlap.server, overlap.incoming) == ("明珠路 1 号", "明珠路 2 号", "明珠路 3 号")
    assert decision.revision.after.fields == house(address="明珠路 2 号", gas_cylinder=True)


def test_a_further_edit_of_a_parked_field_joins_the_conflict():
    first, second, past = stale({"address": "明珠路 2 号"})
    decisions = decide(
        context(second, past=past),
        change("update", first.id, {"address": "明珠路 3 号"}, base_of(first)),
        change("update", first.id, {"address": "明珠路 4 号", "rooms_let": 1}, base_of(first)),
    )
    assert [one.outcome for one in decisions] == ["parked", "parked"]
    assert decisions[1].joined == decisions[0].conflict.id
    assert decisions[1].joined_fields == {"address": "明珠路 4 号"}
    assert decisions[1].revision.fields == {"rooms_let": 1}


def test_a_device_never_conflicts_with_itself():
    first, second, past = stale({"address": "明珠路 2 号"})
    past[first.id][1] = msgspec.structs.replace(past[first.id][1], device_id=PHONE)
    (decision,) = decide(context(second, past=past), change("update", first.id, {"address": "三"}, base_of(first)))
    assert decision.outcome == "applied"


def test_an_edit_of_what_another_deleted_is_parked_whole():
    first, second, past = stale({}, deleted=True)
    (decision,) = decide(context(second, past=past), change("update", first.id, {"rooms_let": 1}, base_of(first)))
    assert (decision.outcome, decision.conflict.kind) == ("parked", "update_delete")
    assert decision.conflict.overlaps["rooms_let"].incoming == 1
    assert decision.revision is None


def test_a_deletion_of_what_another_edited_is_parked():
    first, second, past = stale({"rooms_let": 2})
    (decision,) = decide(context(second, past=past), change("delete", first.id, base=base_of(first)))
    assert (decision.outcome, decision.conflict.kind) == ("parked", "delete_update")
    assert decision.conflict.overlaps["rooms_let"].server == 2


def test_the_same_creation_again_has_no_second_effect():
    state = item(house())
    (again,) = decide(context(state), change("create", state.id, house()))
    assert (again.outcome, again.revision) == ("applied", None)
    (other,) = decide(context(state), change("create", state.id, house(unit_no="2")))
    assert (other.outcome, other.code) == ("quarantined", "item_exists")


def test_events_are_not_deleted():
    state = item({}, type_code="0401")
    (decision,) = decide(context(state), change("delete", state.id, base=base_of(state), type_code="0401"))
    assert (decision.outcome, decision.code) == ("rejected", "delete_not_allowed")


def test_unknown_references_and_types_are_kept():
    resident = {
        "name": "张三", "id_type": "none", "residence_type": "floating", "dwelling": str(uuid4()), "relation": "head",
        "living_here": True,
    }  # fmt: skip
    (decision,) = decide(context(), change("create", fields=resident, type_code="0101", grid=CODES[GRID]))
    assert (decision.outcome, decision.code) == ("quarantined", "reference_unknown")
    (unknown,) = decide(context(), change("create", type_code="9999"))
    assert (unknown.outcome, unknown.code) == ("rejected", "type_unknown")


@pytest.mark.parametrize(
    ("stream_class", "in_own_stream", "streams"),
    [
        ("grid", False, {f"grid/{GRID}"}),
        ("grid", True, {f"grid/{GRID}", f"own/{WORKER}"}),
        ("grid_restricted", True, {f"restricted/{GRID}", f"own/{WORKER}"}),
        ("author", False, {f"own/{WORKER}"}),
    ],
)
def test_an_item_goes_to_its_grid_and_to_its_author_where_he_has_no_other_way(stream_class, in_own_stream, streams):
    state = msgspec.structs.replace(item(house()), stream_class=stream_class, in_own_stream=in_own_stream)
    assert stream_keys(state) == streams
    assert stream_keys(msgspec.structs.replace(state, deleted=True)) == set()


def test_a_restricted_report_of_a_worker_stays_with_him():
    grievance = packaged().types["0504"]
    assert grievance.stream == "grid_restricted"
    assert class_stream("grid_restricted", GRID) not in device_streams(WORKER, context().assignments)


@pytest.mark.parametrize(("role", "restricted"), [("grid_worker", False), ("grid_chief", True)])
def test_the_streams_of_a_phone_are_those_of_its_holders_grids(role, restricted):
    working = Working(context(role=role), Sighting(REGISTRY.index), frozenset())
    assert [working.reads(one, GRID) for one in ("grid", "grid_restricted")] == [True, restricted]
    assert not working.reads("grid", OTHER_GRID)


def test_ids_of_conflicts_follow_from_the_set_alone():
    first, second, past = stale({"address": "明珠路 2 号"})
    edit = change("update", first.id, {"address": "三"}, base_of(first))
    ids = {decide(context(second, past=past), edit)[0].conflict.id for _ in range(2)}
    assert len(ids) == 1
    assert isinstance(ids.pop(), UUID)
