"""What a masked value still tells, and what it must not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from schemas.forms import packaged
from server.masking import HIDDEN, mask, mask_name, mask_number, mask_phone
from tests.property.form_values import forms

CATALOGUE = packaged()


@pytest.mark.parametrize(
    ("type_code", "key", "value", "shown"),
    [
        ("0101", "national_id", "34011119900101001X", "340***********001X"),
        ("0101", "national_id", "E12345678", HIDDEN),
        ("0101", "phone", "13812341234", "138****1234"),
        ("0101", "phone", "0550-3012345", "055****2345"),
        ("0101", "name", "张三丰", "张*"),
        ("0101", "name", "张", "张*"),
        ("0501", "party_a", "欧阳修", "欧*"),
        ("0101", "remark", "独居", HIDDEN),
        ("0101", "living_here", True, HIDDEN),
        ("0101", "remark", None, None),
        ("0102", "location", {"lon": 118.0}, HIDDEN),
        ("0703", "guardian_phone", "13812341234", HIDDEN),
        ("0401", "place", "东街 1 号", "东街 1 号"),
    ],
)
def test_each_kind_of_value(type_code: str, key: str, value: Any, shown: Any) -> None:
    assert mask(CATALOGUE.types[type_code].fields[key], value) == shown


def test_the_masks_alone() -> None:
    assert mask_number("1234567") == mask_phone("12345") == HIDDEN
    assert mask_name("") == ""


@given(forms())
def test_no_marked_value_of_any_form_is_shown_whole(form: tuple[str, dict[str, Any]]) -> None:
    code, values = form
    compiled = CATALOGUE.types[code]
    shown = {key: mask(compiled.fields[key], value) for key, value in values.items()}
    for key, value in values.items():
        if key not in compiled.marked:
            assert shown[key] == value
        elif len(str(value)) > 1:
            assert shown[key] != value or value == HIDDEN


def test_every_field_that_looks_like_a_persons_name_is_masked_as_one() -> None:
    """A new form must not slip past the list of name fields: its labels would say that it holds a name."""
    words = ("姓名", "当事人", "申请人", "产权人", "监护人", "负责人", "代表", "反映人", "帮扶人", "责任人")
    for compiled in CATALOGUE.types.values():
        for key, field in compiled.fields.items():
            if (
                field.type == "text"
                and field.sensitivity == "personal"
                and any(word in field.label_zh for word in words)
            ):
                assert mask(field, "张三丰") == "张*", f"{compiled.code}.{key}"
