"""What apps of previous catalogue versions wrote, read as of today: everything in its place, nothing dropped."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import item_types, load
from schemas.forms import packaged
from schemas.previous import PREVIOUS, load_previous, version_order
from schemas.wire import Capture, Change
from sync.rules import photos_needed
from sync.upcasting import upcast, version_refusal
from tests.builders import form
from tests.old_catalogues import GONE, OLDER, OLDEST, catalogue_of_three, oldest

TODAY = date(2026, 5, 6)
HERE = {"lon": 117.9, "lat": 32.7, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}
FACILITY = {"title": "东门水塔", "kind": "tower", "colour": "灰", "location": HERE}
PHOTO = {"sha256": "ab" * 32, "size": 1000, "role": "report"}


def change(code: str, fields: dict[str, Any]) -> Change:
    return Change("create", UUID(int=1), code, Capture(datetime(2026, 5, 6, tzinfo=UTC), 0, "b"), fields=fields)


def read(fields: dict[str, Any], code: str = "0105", version: str = OLDEST) -> dict[str, Any]:
    return upcast(change(code, fields), version, catalogue_of_three()).fields


def faults(fields: dict[str, Any], code: str = "0105", version: str = OLDEST) -> list[tuple[str, str]]:
    """The faults of a whole item of that version, as (code, field)."""
    form = catalogue_of_three().as_written(version).types[code]
    return [(one.code, one.field) for one in form.check_whole(form.normalise(read(fields, code, version)), TODAY)]


@pytest.mark.parametrize(
    ("version", "refusal"),
    [
        ("2024.2", None),
        (OLDER, None),
        (OLDEST, None),
        (GONE, "catalogue_too_old"),
        ("2023.10", "catalogue_too_old"),
        ("2024.3", "catalogue_unknown"),
        ("2024.10", "catalogue_unknown"),
        ("", "catalogue_unknown"),
        ("2024", "catalogue_unknown"),
        ("２０２３.1", "catalogue_unknown"),
    ],
)
def test_two_previous_versions_are_taken(version: str, refusal: str | None) -> None:
    assert version_refusal(version, catalogue_of_three()) == refusal


def test_numbers_of_versions_are_no_decimals() -> None:
    order = [version_order(one) for one in ("2023.2", "2023.10", "2024.1")]
    assert None not in order
    assert order == sorted(order)  # type: ignore[type-var]


def test_the_two_newest_are_taken_and_the_newest_comes_first() -> None:
    assert packaged().accepted == {packaged().version, *PREVIOUS[:2]}
    assert list(packaged().passages) == list(PREVIOUS) == sorted(PREVIOUS, key=version_order, reverse=True)


def test_renamed_fields_and_options_are_told_by_their_new_names() -> None:
    assert read({"title": "路灯", "kind": "lights"}) == {"name": "路灯", "facility_type": "lamp"}


def test_a_name_given_only_in_a_later_version_is_not_read_into_an_earlier_one() -> None:
    assert read({"kind": "lights", "title": "路灯"}, version=OLDER) == {"facility_type": "lamp", "title": "路灯"}


def test_a_field_that_went_is_kept_under_its_own_name_and_counts_as_personal() -> None:
    assert read({"keeper": "王芳", "colour": "灰"}) == {"keeper": "王芳", "colour": "灰"}
    form = catalogue_of_three().types["0105"]
    assert {"keeper", "colour"} <= form.marked
    assert (form.fields["keeper"].sensitivity, form.fields["colour"].sensitivity) == ("sensitive", "personal")
    assert form.fields["keeper"].label_zh == "看管人(2023.2 版)"


def test_what_was_kept_of_a_version_that_is_taken_no_more_stays_in_items_and_sealed() -> None:
    form = catalogue_of_three().types["0105"]
    assert "motto" in form.marked
    assert form.check_change({"motto": "平安是福", "checked_on__2023_1": "春"}) == []
    assert catalogue_of_three().as_written(GONE) is catalogue_of_three()


@pytest.mark.parametrize(
    ("key", "value", "moved"),
    [
        ("kind", "tower", {"facility_type__2023_2": "tower"}),
        ("owner_unit", "长" * 81, {"owner_unit__2023_2": "长" * 81}),
        ("owner_unit", "长" * 80, {"owner_unit": "长" * 80}),
        ("checked_on", "去年春天", {"checked_on__2023_2": "去年春天"}),
        ("checked_on", "2023-04-01", {"checked_on": "2023-04-01"}),
    ],
)
def test_a_value_that_fits_no_more_is_kept_beside_its_field(key: str, value: str, moved: dict[str, str]) -> None:
    assert read({key: value}) == moved
    assert catalogue_of_three().types["0105"].check_change(moved) == []
    assert next(iter(moved)) in catalogue_of_three().types["0105"].fields


def test_of_several_options_those_that_are_left_stand_in_both_fields() -> None:
    both = ["lane", "fireworks"]
    assert read({"hazards": both}, "0401") == {"hazards": ["lane"], "hazards__2023_2": both}
    assert read({"hazards": ["fireworks"]}, "0401") == {"hazards__2023_2": ["fireworks"]}
    assert read({"hazards": ["lane"]}, "0401") == {"hazards": ["lane"]}


def test_clearing_an_old_field_clears_what_was_kept_of_it() -> None:
    assert read({"owner_unit": None, "keeper": None, "title": None}) == {
        "owner_unit": None,
        "owner_unit__2023_2": None,
        "keeper": None,
        "name": None,
    }


def test_what_neither_version_takes_is_refused_by_the_form_of_today() -> None:
    wrong = FACILITY | {"kind": "castle", "owner_unit": "长" * 201, "nonsense": 1}
    found = faults(wrong)
    assert ("field_option", "facility_type") in found
    assert ("field_too_long", "owner_unit") in found
    assert ("field_unknown", "nonsense") in found


def test_what_is_asked_only_since_then_may_be_missing() -> None:
    assert faults(FACILITY) == []
    today = catalogue_of_three().types["0105"].check_whole(read(FACILITY), TODAY)
    assert {one.field for one in today if one.code == "field_required"} == {"facility_type", "state", "photos"}


@pytest.mark.parametrize("key", ["title", "location"])
def test_what_was_asked_then_and_is_asked_now_must_be_there(key: str) -> None:
    left = {name: value for name, value in FACILITY.items() if name != key}
    assert faults(left) == [("field_required", {"title": "name"}.get(key, key))]


def test_a_required_field_counts_where_it_is_kept_but_not_nowhere() -> None:
    left = {name: value for name, value in FACILITY.items() if name != "kind"}
    assert faults(left) == [("fields_any_required", "facility_type")]


def test_what_was_asked_then_and_is_not_any_more_may_be_missing() -> None:
    left = {name: value for name, value in FACILITY.items() if name != "colour"}
    assert faults(left) == []
    hazard = {"hazards": ["lane"], "description": "杂物", "fixed_on_site": False, "location": HERE}
    assert faults(hazard, "0401") == faults(hazard, "0401", OLDER) == []


def test_one_of_two_fields_is_asked_if_one_of_them_was() -> None:
    needed = {"photos": [PHOTO]} | {key: value for key, value in form("0405").items() if key not in ("place_name",)}
    assert ("fields_any_required", "place") in faults(needed, "0405", OLDER)
    assert faults(needed | {"place_name": "小区东侧"}, "0405", OLDER) == []


def test_no_more_photos_are_asked_than_then() -> None:
    lenient, today = catalogue_of_three().as_written(OLDEST).types, catalogue_of_three().types
    assert photos_needed(today["0105"].type, "normal", False, "report") == 1
    assert photos_needed(lenient["0105"].type, "normal", False, "report") == 0
    assert photos_needed(today["0401"].type, "normal", True, "report") == 1
    assert photos_needed(lenient["0401"].type, "normal", True, "report") == 0
    assert catalogue_of_three().as_written("2024.2") is catalogue_of_three()


def test_the_packaged_versions_lose_nothing_and_keep_nothing_apart() -> None:
    for version, ways in packaged().passages.items():
        before = load_previous(version).types()
        assert ways.keys() == before.keys() == item_types(load()).keys()
        assert not any(way.kept for way in ways.values())
        for code in before:
            assert packaged().types[code].fields.keys() == {one.key for one in packaged().types[code].type.fields}


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=100) | st.lists(st.text(max_size=9), max_size=3)


@given(st.dictionaries(st.sampled_from([one.key for one in oldest().types()["0105"].fields]), _VALUES))
def test_nothing_that_was_written_is_lost(fields: dict[str, Any]) -> None:
    taken = read(fields)
    for key, value in fields.items():
        now = {"title": "name", "kind": "facility_type"}.get(key, key)
        told = "lamp" if now == "facility_type" and value == "lights" else value
        assert taken.get(now, ...) == told or taken.get(f"{now}__2023_2", ...) == told
    assert upcast(change("0105", taken), "2024.2", catalogue_of_three()).fields == taken


def test_types_that_an_old_version_does_not_know_are_left_alone() -> None:
    assert read({"title": "x"}, "0102") == {"title": "x"}
    assert read({"title": "x"}, "9999") == {"title": "x"}
