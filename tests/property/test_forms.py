"""Every form takes what it should, refuses what it should, names the field, and never repeats a value."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json

from schemas.forms import Fault, packaged
from tests.property.form_values import (
    NAMED_BY,
    TODAY,
    Values,
    bad,
    documented_types,
    form,
    forms,
    good,
    identities,
)

FIELDS = [(code, field["key"]) for code, item in documented_types().items() for field in item["fields"]]


def documented_field(code: str, key: str) -> dict[str, Any]:
    return next(field for field in documented_types()[code]["fields"] if field["key"] == key)


def told(faults: list[Fault]) -> str:
    return " ".join(f"{one.code} {one.field} {one.zh} {one.en}" for one in faults)


@given(forms())
def test_good_forms_pass(drawn: tuple[str, Values]) -> None:
    code, values = drawn
    compiled = packaged().types[code]
    assert compiled.check_whole(values, TODAY) == []
    assert compiled.check_change(values) == []


@given(forms())
def test_normalising_is_idempotent_and_keeps_forms_good(drawn: tuple[str, Values]) -> None:
    code, values = drawn
    compiled = packaged().types[code]
    normal = compiled.normalise(values)
    assert compiled.normalise(normal) == normal
    assert compiled.check_whole(normal, TODAY) == []
    assert normal.keys() == values.keys()


any_text = st.text(st.characters(categories=["Cs", "Cc", "L", "N", "P", "Z"]))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.binary()
anything = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(st.data())
def test_any_value_gives_an_answer_and_never_an_exception(data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(sorted(documented_types())))
    keys = [field["key"] for field in documented_types()[code]["fields"]]
    values = data.draw(st.dictionaries(st.sampled_from(keys) | any_text, anything, max_size=12))
    compiled = packaged().types[code]
    for faults in (compiled.check_whole(values, TODAY), compiled.check_change(values)):
        json.encode(faults)
        assert {one.field for one in faults} <= {None, *keys, *values}
    normal = compiled.normalise(values)
    assert repr(compiled.normalise(normal)) == repr(normal)


@given(forms(), st.data())
def test_values_are_as_sound_together_as_each_is_alone(drawn: tuple[str, Values], data: st.DataObject) -> None:
    code, values = drawn
    compiled = packaged().types[code]
    changed = values | {key: data.draw(anything) for key in data.draw(st.sets(st.sampled_from(sorted(values))))}
    alone = [one.code for key, value in changed.items() for one in compiled.check_change({key: value})]
    assert sorted(one.code for one in compiled.check_change(changed)) == sorted(alone)


@pytest.mark.parametrize("code", documented_types())
@settings(max_examples=5)
@given(data=st.data())
def test_each_bad_value_of_each_field_is_refused_by_name_and_not_told(code: str, data: st.DataObject) -> None:
    values = data.draw(form(documented_types()[code]))
    compiled = packaged().types[code]
    for field in documented_types()[code]["fields"]:
        for value, expected in bad(field):
            whole = compiled.check_whole({**values, field["key"]: value}, TODAY)
            for faults in (whole, compiled.check_change({field["key"]: value})):
                assert (expected, field["key"]) in [(one.code, one.field) for one in faults], value
                assert {one.field for one in faults} == {field["key"]}
                assert_untold(value, faults)


def assert_untold(value: object, faults: list[Fault]) -> None:
    """No scalar of the value that could tell anything appears in the faults."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
    for part in parts:
        if isinstance(part, list | Mapping):
            assert_untold(part, faults)
        elif len(text := str(part).strip()) > 3 and not isinstance(part, bool):
            assert text not in told(faults)


@pytest.mark.parametrize("code", documented_types())
@settings(max_examples=10)
@given(data=st.data())
def test_what_is_required_is_missed(code: str, data: st.DataObject) -> None:
    item = documented_types()[code]
    values = data.draw(form(item))
    key = data.draw(st.sampled_from([field["key"] for field in item["fields"] if field["required"]]))
    compiled = packaged().types[code]
    without = {name: value for name, value in values.items() if name != key}
    for incomplete in (without, {**values, key: None}):
        faults = compiled.check_whole(incomplete, TODAY)
        assert [(one.code, one.field) for one in faults] == [("field_required", key)]
    assert [(one.code, one.field) for one in compiled.check_change({key: None})] == [("field_required", key)]
    assert compiled.check_change({}) == []


@given(forms(), st.text())
def test_a_field_that_no_form_has_is_refused(drawn: tuple[str, Values], name: str) -> None:
    code, values = drawn
    compiled = packaged().types[code]
    key = f"{name}?"
    assert [(one.code, one.field) for one in compiled.check_whole({**values, key: 1}, TODAY)] == [
        ("field_unknown", None)
    ]


@given(st.data())
def test_all_faults_are_told_at_once(data: st.DataObject) -> None:
    item = documented_types()[data.draw(st.sampled_from(sorted(documented_types())))]
    values = data.draw(form(item))
    several = st.lists(st.sampled_from(item["fields"]), min_size=2, unique_by=lambda one: one["key"])
    fields = data.draw(several)
    for field in fields:
        values[field["key"]] = data.draw(st.sampled_from(bad(field)))[0]
    faults = packaged().types[item["code"]].check_whole(values, TODAY)
    assert {one.field for one in faults} >= {field["key"] for field in fields}


@given(st.data())
def test_an_identity_number_fits_the_document_that_is_chosen(data: st.DataObject) -> None:
    values = data.draw(form(documented_types()["0101"]))
    chosen = data.draw(st.sampled_from(NAMED_BY))
    number = data.draw(identities(chosen))
    compiled = packaged().types["0101"]
    whole = {**values, "id_type": chosen, "national_id": number.lower()}
    assert compiled.check_whole(whole, TODAY) == []
    assert compiled.normalise(whole)["national_id"] == number
    if chosen != "passport":
        faults = compiled.check_whole({**whole, "national_id": number[:-2]}, TODAY)
        assert [(one.code, one.field) for one in faults] == [("id_form", "national_id")]
        assert number[:-2] not in told(faults)


@given(st.data())
def test_options_are_stored_in_one_order(data: st.DataObject) -> None:
    multi = [(c, k) for c, k in FIELDS if documented_field(c, k).get("multi")]
    code, key = data.draw(st.sampled_from(multi))
    chosen = data.draw(good(documented_field(code, key), {}))
    shuffled = data.draw(st.permutations(chosen))
    compiled = packaged().types[code]
    assert compiled.normalise({key: chosen}) == compiled.normalise({key: shuffled})


@pytest.mark.parametrize("code", [code for code, key in FIELDS if documented_field(code, key)["type"] == "photo_list"])
def test_photos_are_counted_by_their_role(code: str) -> None:
    field = next(one for one in documented_types()[code]["fields"] if one["type"] == "photo_list")
    most = field["max_items"]
    roles = ["report"] * most + ["close"] * most
    photos = [{"sha256": f"{number:064x}", "size": 1, "role": role} for number, role in enumerate(roles)]
    one_more = [*photos, {"sha256": "f" * 64, "size": 1, "role": "close"}]
    compiled = packaged().types[code]
    assert compiled.check_change({field["key"]: photos}) == []
    assert [one.code for one in compiled.check_change({field["key"]: one_more})] == ["photos_too_many"]
