"""Values as people type and read them in a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.forms import packaged
from schemas.item_type import Field
from server.cli.field_values import EMPTY, describe_value, parse_value

TYPES = packaged().types


def field(type_code: str, key: str) -> Field:
    return TYPES[type_code].fields[key]


@pytest.mark.parametrize(
    ("type_code", "key", "text", "value"),
    [
        ("0101", "name", "张三=丰", "张三=丰"),
        ("0101", "name", "", None),
        ("0101", "relation", "spouse", "spouse"),
        ("0101", "relation", "配偶", "spouse"),
        ("0101", "relation", "boss", "boss"),
        ("0101", "living_here", "是", True),
        ("0101", "living_here", "NO", False),
        ("0102", "rooms_let", "3", 3),
        ("0102", "area_m2", "88.5", "88.5"),
        ("0402", "hazards", "leak, hose，wiring", ["leak", "hose", "wiring"]),
        ("0102", "location", '{"lon": 118.0, "lat": 32.0}', {"lon": 118.0, "lat": 32.0}),
    ],
)
def test_typing(type_code: str, key: str, text: str, value: Any) -> None:
    assert parse_value(field(type_code, key), text) == value


@pytest.mark.parametrize(
    ("type_code", "key", "text"),
    [("0101", "living_here", "maybe"), ("0102", "rooms_let", "three"), ("0102", "location", "118,32")],
)
def test_what_is_no_such_value_at_all(type_code: str, key: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_value(field(type_code, key), text)


def test_an_unknown_field_is_left_to_the_form() -> None:
    assert parse_value(None, "x") == "x"


@pytest.mark.parametrize(
    ("type_code", "key", "value", "words"),
    [
        ("0101", "name", None, EMPTY),
        ("0101", "relation", "spouse", "配偶 spouse"),
        ("0101", "living_here", False, "否 false"),
        ("0402", "hazards", ["leak"], "燃气泄漏、异味 leak"),
        ("0102", "rooms_let", 3, "3"),
        ("0102", "location", {"lon": 118.0, "lat": 32.5, "crs": "wgs84"}, "118.000000, 32.500000 (wgs84)"),
        ("0102", "photos", [{"sha256": "ab" * 32, "size": 1, "role": "report"}], "abababab (report)"),
        ("0101", "remark", "a\x1b[2J\x07b\nc", "a�[2J�b\nc"),
    ],
)
def test_reading(type_code: str, key: str, value: Any, words: str) -> None:
    assert describe_value(field(type_code, key), value) == words
