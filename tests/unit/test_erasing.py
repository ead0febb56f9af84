"""What is left of an erased item, and cutting it out of the bytes of change sets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from schemas.forms import packaged
from schemas.wire import Capture, Change, ChangeSet
from sync.erasing import FIGURES, figures_of, items_named, without
from sync.framing import Form, decode_change, decode_set, encode_change, encode_set

ERASED, OTHER, THIRD = (uuid4() for _ in range(3))
BOTH: list[Form] = ["json", "msgpack"]


def change(item: UUID, name: str = "x") -> Change:
    return Change("update", item, "0101", Capture(datetime.now(UTC), 0, "boot"), fields={"name": name})


def raw_set(form: Form, *frames: Any) -> bytes:
    made = ChangeSet(1, uuid4(), uuid4(), uuid4(), "2024.2", 1, "n" * 22, changes=[])
    changes = [encode_change(one, form) if isinstance(one, Change) else msgspec.Raw(one) for one in frames]
    return encode_set(msgspec.structs.replace(made, changes=changes), form)


def test_only_what_is_counted_and_not_marked_stays() -> None:
    for compiled in packaged().types.values():
        everything: dict[str, Any] = dict.fromkeys(compiled.fields, "v")
        kept = figures_of(compiled, everything | {"left_by_an_old_form": "v"})
        assert kept.keys() <= compiled.fields.keys() - compiled.marked
        assert {compiled.fields[key].type for key in kept} <= FIGURES
    company = packaged().types["0103"]
    assert figures_of(company, {"name": "某公司", "employees": 12, "manager": "某人", "category": "shop"}) == {
        "employees": 12,
        "category": "shop",
    }


@pytest.mark.parametrize("form", BOTH)
def test_a_readable_set_names_the_items_of_its_changes_and_not_what_they_refer_to(form: Form) -> None:
    raw = raw_set(form, change(ERASED, f"see {THIRD}"), change(OTHER))
    assert items_named(raw) == {ERASED, OTHER}


@pytest.mark.parametrize("form", BOTH)
def test_what_cannot_be_read_names_every_id_in_it(form: Form) -> None:
    whole = raw_set(form, change(ERASED), change(OTHER))
    assert items_named(whole[:-3]) >= {ERASED, OTHER}
    assert ERASED in items_named(f'{{"item":"{ERASED.hex.upper()}"'.encode())
    assert ERASED in items_named(b"\x81\xc4\x10" + ERASED.bytes)


@pytest.mark.parametrize("form", BOTH)
def test_the_changes_of_an_item_are_cut_out_and_the_places_of_the_others_stay(form: Form) -> None:
    raw = raw_set(form, change(ERASED, "SECRET"), change(OTHER, "kept"), change(ERASED, "SECRET"))
    left = without(raw, {ERASED})
    assert left is not None
    assert b"SECRET" not in left
    changes = decode_set(left).changes
    assert len(changes) == 3
    assert decode_change(changes[1], form) == decode_change(decode_set(raw).changes[1], form)
    assert items_named(left) == {OTHER}


@pytest.mark.parametrize("form", BOTH)
def test_only_wanted_places_are_left(form: Form) -> None:
    raw = raw_set(form, change(OTHER, "one"), change(ERASED), change(THIRD, "three"))
    left = without(raw, {ERASED}, {2})
    assert left is not None
    assert b"one" not in left
    assert items_named(left) == {THIRD}
    assert without(raw, {ERASED}, {1}) is None
    assert without(raw, {ERASED}, set()) is None


@pytest.mark.parametrize("form", BOTH)
def test_items_are_cut_out_one_after_the_other_until_nothing_is_left(form: Form) -> None:
    once = without(raw_set(form, change(ERASED), change(OTHER)), {ERASED})
    assert once is not None
    assert without(once, {OTHER}) is None


@pytest.mark.parametrize("form", BOTH)
def test_nothing_is_left_of_a_set_that_is_about_nothing_else_or_cannot_be_read(form: Form) -> None:
    raw = raw_set(form, change(ERASED), change(ERASED))
    assert without(raw, {ERASED}) is None
    assert without(raw[:-1], {OTHER}) is None


def test_a_change_that_cannot_be_read_goes_if_it_names_the_item() -> None:
    bad = encode_change(change(ERASED, "MARK"), "json")
    raw = raw_set("json", bytes(bad).replace(b"MARK", rb"SECRET\u0000"), change(OTHER))
    left = without(raw, {ERASED})
    assert left is not None
    assert b"SECRET" not in left
