"""What an item is found by: the same for what is the same, nothing of a marked value in the clear."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from schemas.forms import packaged
from server.sealing import Keyring
from server.usecases.searching import terms_of
from sync import searching
from sync.searching import clear_pairs, duplicate_facts, facts, holds, pairs, plan_of, words
from sync.surnames import surnames
from tests.property.form_values import forms

EAST, WEST = "341182001001", "341182001002"
TYPES = packaged().types
KEYRING = Keyring(b"k" * 32)
RESIDENT = {"name": "王小明", "national_id": "11010519491231002X", "phone": "13812341234", "living_here": True}


def terms(type_code: str, fields: dict[str, Any], community: str | None = EAST) -> set[str]:
    return set(terms_of(KEYRING, TYPES[type_code], fields, community))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("琅琊区", {"琅琊", "琊区"}),
        ("ＡＢ店", {"ab", "b店"}),
        ("东街 1号", {"东街", "1号"}),
        ("a", set()),
        ("  ", set()),
        ("门\n牌号", {"牌号"}),
    ],
)
def test_pairs_of_neighbouring_characters(text: str, expected: set[str]) -> None:
    assert pairs(text) == expected


def test_only_text_that_nobody_marked_gives_pairs() -> None:
    shop = {"name": "琅琊百货", "manager": "王五", "address": "东街", "category": "shop"}
    assert clear_pairs(plan_of(TYPES["0103"]), shop) == pairs("琅琊百货") | pairs("东街")
    assert clear_pairs(plan_of(TYPES["0101"]), RESIDENT) == set()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"phone": "13812341234"}, {"phone": "+86 138-1234-1234"}),
        ({"phone": "13812341234"}, {"phone": "１３８１２３４１２３４"}),
        ({"phone": "13812341234"}, {"phone": "008613812341234"}),
        ({"phone": "0550-3012345"}, {"phone": "05503012345"}),
        ({"national_id": "11010519491231002X"}, {"national_id": " 11010519491231002x "}),
        ({"national_id": "E12345678"}, {"national_id": "Ｅ１２３４５６７８"}),
        ({"name": "王小明"}, {"name": " 王 小明"}),
    ],
)
def test_what_is_the_same_is_found_by_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert terms("0101", one) == terms("0101", other) != set()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"phone": "13812341234"}, {"phone": "13812341235"}),
        ({"phone": "0550-3012345"}, {"phone": "0551-3012345"}),
        ({"phone": "8613812341"}, {"phone": "13812341"}),
        ({"name": "13812341234"}, {"phone": "13812341234"}),
        ({"national_id": "13812341234"}, {"phone": "13812341234"}),
    ],
)
def test_what_differs_shares_nothing(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not terms("0101", one) & terms("0101", other)


def test_no_term_holds_a_marked_value_or_could_be_a_pair() -> None:
    found = terms("0101", RESIDENT)
    assert len(found) == 4
    for term in found:
        assert term.startswith("# ")
        assert not [value for value in RESIDENT.values() if isinstance(value, str) and value in term]
    assert all(len(pair) == 2 and " " not in pair for pair in terms("0105", {"name": "# 琅琊 小区"}))


def test_another_key_gives_other_terms() -> None:
    other = terms_of(Keyring(b"o" * 32), TYPES["0101"], RESIDENT, EAST)
    assert not terms("0101", RESIDENT) & set(other)


@given(forms())
def test_every_form_gives_its_terms_and_nothing_of_what_is_marked(form: tuple[str, dict[str, Any]]) -> None:
    code, fields = form
    compiled = TYPES[code]
    found = terms_of(KEYRING, compiled, fields, EAST)
    assert found == terms_of(KEYRING, compiled, dict(fields), EAST)
    clear = set[str]().union(*(pairs(str(value)) for key, value in fields.items() if key not in compiled.marked))
    assert {one for one in found if not one.startswith("# ")} <= clear
    assert all(len(one) == 2 or len(one) == 26 for one in found)


# Surnames --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("王小明", ("王",)),
        ("欧阳修文", ("欧", "欧阳")),
        ("欧阳", ("欧",)),
        ("阿卜杜拉·买买提", ("阿",)),
        ("JOHN SMITH", ("JOHN",)),
        ("", ()),
    ],
)
def test_a_name_is_found_by_its_surname(name: str, found: tuple[str, ...]) -> None:
    assert surnames(name) == found


def test_a_surname_tells_nothing_beyond_its_community() -> None:
    east, west = terms("0101", {"name": "王小明"}, EAST), terms("0101", {"name": "王大力"}, WEST)
    assert not east & west
    assert len(terms("0101", {"name": "王小明"}, EAST) & terms("0101", {"name": "王大力"}, EAST)) == 1
    assert terms("0101", {"name": "王小明"}, None) == terms("0101", {"name": "王小明"}) - terms(
        "0101", {"name": "王大力"}
    )


def test_only_residents_have_a_surname() -> None:
    """The name of a shop begins with no surname, and that of its manager is found whole alone."""
    found = facts(plan_of(TYPES["0103"]), {"name": "王记", "manager": "王五"}, EAST)
    assert found == [searching.name_fact("王五")]


# Duplicates ------------------------------------------------------------------------------------------------


def test_duplicate_keys_count_when_all_their_fields_are_filled() -> None:
    plan = plan_of(TYPES["0102"])
    key = TYPES["0102"].type.duplicate_keys[0]
    assert duplicate_facts(plan, key, {"address": "东街1号"}) == []
    assert duplicate_facts(plan, key, {"address": "东街1号", "unit_no": "  "}) == []
    one = duplicate_facts(plan, key, {"address": " 东街１号", "unit_no": "2-a"})
    assert one == duplicate_facts(plan, key, {"address": "东街1号 ", "unit_no": "2-A"}) != []
    assert one[0] in facts(plan, {"address": "东街1号", "unit_no": "2-A"}, EAST)


def test_values_that_are_found_alone_tell_duplicates_together() -> None:
    plan, keys = plan_of(TYPES["0101"]), TYPES["0101"].type.duplicate_keys
    strong, weak = (duplicate_facts(plan, key, RESIDENT) for key in keys)
    assert strong == [searching.national_id_fact("11010519491231002X")]
    assert weak == [searching.name_fact("王小明"), searching.phone_fact("13812341234")]
    assert {*strong, *weak} <= set(facts(plan, RESIDENT, EAST))
    assert duplicate_facts(plan, keys[1], {"name": "王小明"}) == []


@pytest.mark.parametrize(("code", "keys"), [("0103", {"credit_code", "name", "address"}), ("0105", {"name"})])
def test_clear_values_tell_duplicates_too(code: str, keys: set[str]) -> None:
    fields = dict.fromkeys(keys, "X") | {"facility_type": "road"}
    wanted = TYPES[code].type.duplicate_keys
    assert all(duplicate_facts(plan_of(TYPES[code]), key, fields) for key in wanted)
    assert sum(one.startswith("# ") for one in terms(code, fields)) == len(wanted)


# Looking again ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "found"),
    [("琅琊", True), ("琅琊山", False), ("琊山 琅琊", True), ("百货 山", True), ("ＢＡＩ", True), ("琅琊 湖", False)],
)
def test_words_stand_in_the_text_as_they_are_written(asked: str, found: bool) -> None:
    """Both pairs of 琅琊山 stand in it, the word does not."""
    shop = {"name": "琅琊路琊山百货 bai", "manager": "湖"}
    assert holds(plan_of(TYPES["0103"]), shop, words(asked)) is found
