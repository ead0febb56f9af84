"""Marks: a marked form stays valid, what can be recognised is, and what is found is found however it is hidden."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from schemas.forms import packaged
from server.made_up.forms import Scene, make_fields
from server.simulate.marking import found_in, mark

OUTLINE = [[(117.99, 32.78), (118.0, 32.78), (118.0, 32.79), (117.99, 32.79), (117.99, 32.78)]]
RECOGNISABLE = {"text": "text", "phone": "phone", "geo_point": "position"}
NOW = datetime(2026, 5, 20, 9, 0, tzinfo=UTC)


def scene() -> Scene:
    someone = "01890a5d-ac96-774b-bcce-b302099a8057"
    return Scene(NOW, OUTLINE, {code: [someone] for code in ("0101", "0102", "0103", "0104", "0105")})


@pytest.mark.parametrize("code", packaged().types)
def test_a_marked_form_is_valid_and_recognisable(code: str) -> None:
    form = packaged().types[code]
    for seed in range(30):
        made = make_fields(code, Random(seed), scene())
        marked = mark(code, made, Random(seed))
        assert form.check_whole(form.normalise(marked), NOW.date()) == []
        for key, value in marked.items():
            field = form.fields[key]
            kind = RECOGNISABLE.get(field.type)
            if key in form.marked and kind and field.format is None:
                assert found_in(str(value).encode())[kind], (key, value)
            elif key not in form.marked:
                assert value == made[key]


def test_marks_are_found_plain_in_hexadecimal_and_escaped() -> None:
    text = "张伟龘子丑 17091123456 69999919600101123X 118.1234567"
    hidden = b"\\x" + text.encode().hex().encode()
    escaped = text.encode("unicode_escape")
    for data in (text.encode(), b"1\t" + hidden + b"\t2", escaped):
        assert all(found_in(data).values()), data


def test_ordinary_values_are_no_marks() -> None:
    ordinary = b'13855012345 341182199001011234 118.123456 99170911234567 {"lon": 117.992500} \\x0017091123456'
    assert not any(found_in(ordinary).values())
