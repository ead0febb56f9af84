"""Values that can be recognised wherever they turn up, for asking whether any of them leaked.

With `--marks` every text, telephone, identity number and position that the catalogue marks personal or sensitive is
written so that nothing else in an installation looks like it:

    text      ends with 龘 and two of the twelve branches: 张伟龘子丑
    telephone 17091 and six digits; no other telephone of the demo begins so
    identity  a number of the area 699999, which is no area
    position  seven decimals, the last no zero; outlines have six, and sums of seconds more
"""

from __future__ import annotations

import re
from datetime import date
from random import Random
from typing import Any

from schemas.forms import CompiledType, packaged
from schemas.identity import id_check_character
from schemas.item_type import Field

_BRANCHES = "子丑寅卯辰巳午未申酉戌亥"
_NOTHING_BEFORE = r"(?<![0-9A-Za-z.])"
_MARKS = {
    "text": re.compile(f"龘[{_BRANCHES}]{{2}}"),
    "phone": re.compile(_NOTHING_BEFORE + r"17091[0-9]{6}(?![0-9A-Za-z])"),
    "identity": re.compile(_NOTHING_BEFORE + r"699999[0-9]{11}[0-9Xx](?![0-9A-Za-z])"),
    "position": re.compile(_NOTHING_BEFORE + r"(?:11[789]|3[123])\.[0-9]{6}[1-9](?![0-9A-Za-z])"),
}
_HEXADECIMAL = re.compile(rb"\\x((?:[0-9a-f]{2}){4,})")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def mark(item_type: str, fields: dict[str, Any], rng: Random) -> dict[str, Any]:
    """The fields with their marked values made recognisable; one that the form would then refuse stays as it is."""
    form = packaged().types[item_type]
    marked = dict(fields)
    for key in fields.keys() & form.marked:
        value = _recognisable(form, form.fields[key], fields, rng)
        if value is not None and not form.check_change({key: value}):
            marked[key] = value
    return marked


def found_in(data: bytes) -> dict[str, list[str]]:
    """The marks in some bytes, by kind: as they stand, in PostgreSQL's hexadecimal, or escaped as JSON escapes."""
    found: dict[str, list[str]] = {kind: [] for kind in _MARKS}
    for text in _readings(data):
        for kind, pattern in _MARKS.items():
            found[kind] += pattern.findall(text)
    return found


def _readings(data: bytes) -> list[str]:
    plain = data.decode(errors="replace")
    hidden = b"\n".join(bytes.fromhex(one.decode()) for one in _HEXADECIMAL.findall(data)).decode(errors="replace")
    escaped = _ESCAPED.sub(lambda one: chr(int(one.group(1), 16)), plain) if "\\u9f98" in plain else ""
    return [plain, hidden, escaped]


def _recognisable(form: CompiledType, field: Field, fields: dict[str, Any], rng: Random) -> Any:
    value = fields[field.key]
    if field.type == "text" and isinstance(value, str) and field.format is None:
        tail = f"龘{rng.choice(_BRANCHES)}{rng.choice(_BRANCHES)}"
        room = (field.max_length or len(value) + len(tail)) - len(tail)
        return value if "龘" in value else value[:room] + tail
    if field.type == "phone":
        return f"17091{rng.randrange(10**6):06}"
    if field.type == "national_id":
        return _identity(rng) if fields.get("id_type") == "resident_id" else None
    if field.type == "geo_point" and isinstance(value, dict):
        return value | {axis: mark_degrees(value[axis], rng) for axis in ("lon", "lat")}
    return None


def mark_degrees(degrees: float, rng: Random) -> float:
    """A coordinate moved by less than a metre to seven decimals."""
    return round(round(degrees, 6) + rng.randint(1, 9) * 1e-7, 7)


def _identity(rng: Random) -> str:
    birth = date(1950, 1, 1).toordinal() + rng.randrange(18_000)
    body = f"699999{date.fromordinal(birth):%Y%m%d}{rng.randrange(1000):03}"
    return body + id_check_character(body)
