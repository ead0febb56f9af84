"""What must agree across the fields of a form that a thoughtful worker fills in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

from schemas.identity import id_check_character
from server.made_up import names
from server.made_up.forms.habits import phrases
from server.made_up.names import Locality

_ABROAD = ("hmt_residence", "foreign_pr", "passport")
_OLDEST_DAYS = 34_000
_OF_AGE_DAYS = 6_600
_ELSEWHERE = ("341103", "340321", "320115", "411528", "522401")


def settle(item_type: str, fields: dict[str, Any]) -> None:
    """Makes the fields of one form agree; fields that agree already stay as they are."""
    if item_type in _SETTLED:
        _SETTLED[item_type](fields)


def settle_identity(fields: dict[str, Any], rng: Random, today: date, where: Locality) -> None:
    """A resident's name, number, sex, age and residence fit together."""
    male, age = rng.random() < 0.5, rng.randint(200, _OLDEST_DAYS)
    fields["name"] = names.person_name(rng, male)
    number = _number(fields["id_type"], rng, today - timedelta(days=age), male, where)
    if number is not None:
        fields["national_id"] = number
    if fields["id_type"] in _ABROAD:
        fields["residence_type"] = "overseas"
    elif fields["residence_type"] == "overseas":
        fields["residence_type"] = "floating"
    if fields["id_type"] in ("foreign_pr", "passport"):
        fields["name"] = rng.choice(phrases().foreign_names)
    if age < _OF_AGE_DAYS:
        fields["relation"] = "child"


def _number(id_type: str, rng: Random, birth: date, male: bool, where: Locality) -> str | None:
    if id_type == "resident_id":
        area = where.county_code if rng.random() < 0.8 else rng.choice(_ELSEWHERE)
        return names.resident_id(rng, birth, male, area)
    if id_type == "hmt_residence":
        return names.resident_id(rng, birth, male, rng.choice(["810000", "820000", "830000"]))
    if id_type == "foreign_pr":
        body = f"9{rng.randrange(10**16):016}"
        return body + id_check_character(body)
    return f"{rng.choice('EGKP')}{rng.randrange(10**8):08}" if id_type == "passport" else None


def _rental_check(fields: dict[str, Any]) -> None:
    if "unregistered" in fields["findings"]:
        fields["unregistered"] = max(1, fields["unregistered"])
    else:
        fields["unregistered"] = 0
    fields["occupants"] = max(fields["occupants"], fields["unregistered"])


def _support_visit(fields: dict[str, Any]) -> None:
    if fields["state"] in ("abnormal", "missing"):
        fields["needs_follow_up"] = True


def _hazard_of_swimmers(fields: dict[str, Any]) -> None:
    if "wild_swim" not in fields["hazards"]:
        fields["minors"] = False


def _assigned_task(fields: dict[str, Any]) -> None:
    if "target" in fields and "done" in fields:
        fields["done"] = min(fields["done"], fields["target"])


def _elder_visit(fields: dict[str, Any]) -> None:
    if fields["no_answer"] or fields["health"] == "hospital":
        fields["way"] = "phone" if fields["way"] == "device" else fields["way"]


_SETTLED: dict[str, Callable[[dict[str, Any]], None]] = {
    "0202": _rental_check,
    "0203": _support_visit,
    "0404": _hazard_of_swimmers,
    "0702": _elder_visit,
    "0802": _assigned_task,
}
