"""How workers fill in each item type, from `habits.json`, and the words that its templates stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from server.made_up import names
from server.made_up.names import Locality

ByOption = dict[str, str | list[str]]
"""`by` names an enum field; every other key is one of its options with the choices that go with it."""


class Habits(Struct, frozen=True, forbid_unknown_fields=True):
    """The habits for one item type, by field key.

    `weights`: how often an option is chosen. `chance`: that an optional field is filled, or that a boolean is true.
    `range`: bounds of a number, days from today of a date, minutes ago of a time. `texts`: templates. `match`: options
    that go with another field's. `only_if`: options of another field without which it stays empty. `edits`: what is
    changed later.
    """

    edits: list[str]
    weights: dict[str, dict[str, int]] = {}
    chance: dict[str, float] = {}
    range: dict[str, tuple[float, float]] = {}
    texts: dict[str, list[str] | ByOption] = {}
    match: dict[str, ByOption] = {}
    only_if: dict[str, dict[str, list[str]]] = {}


class Phrases(Struct, frozen=True):
    """What is said in any item type."""

    followups: list[str]
    foreign_names: list[str]


@cache
def habits() -> dict[str, Habits]:
    """The habits by item type code."""
    return msgspec.json.decode(_data("habits.json"), type=dict[str, Habits])


@cache
def phrases() -> Phrases:
    """The phrases."""
    return msgspec.json.decode(_data("phrases.json"), type=Phrases)


def choices(given: list[str] | ByOption, fields: Mapping[str, Any]) -> list[str]:
    """The choices that go with the fields filled so far; of several options the first counts."""
    if isinstance(given, list):
        return given
    chosen = fields[str(given["by"])]
    found = given[chosen[0] if isinstance(chosen, list) else chosen]
    return found if isinstance(found, list) else [found]


def write(template: str, rng: Random, where: Locality) -> str:
    """The template with its words drawn; one word stays the same within it."""
    return template.format_map(_Words(rng, where)) if "{" in template else template


class _Words(Mapping[str, str]):
    """Draws each word of a template when it is first used."""

    def __init__(self, rng: Random, where: Locality) -> None:
        self._rng, self._where = rng, where
        self._drawn: dict[str, str] = {}

    def __getitem__(self, word: str) -> str:
        if word not in self._drawn:
            self._drawn[word] = _WORDS[word](self._rng, self._where)
        return self._drawn[word]

    def __iter__(self) -> Iterator[str]:
        return iter(_WORDS)

    def __len__(self) -> int:
        return len(_WORDS)


def _data(name: str) -> bytes:
    return (files("server.made_up.forms") / name).read_bytes()


def _somewhere(rng: Random, where: Locality) -> str:
    if rng.random() < 0.6:
        return f"{names.compound(rng, where)}{rng.randint(1, 32)}号楼{rng.randint(1, 4)}单元"
    return f"{names.road(rng, where)}{rng.randint(1, 388)}号"


_WORDS: dict[str, Callable[[Random, Locality], str]] = {
    "address": names.address,
    "building": lambda rng, _: f"{rng.randint(1, 32)}号楼",
    "company": names.company,
    "compound": names.compound,
    "county": lambda _, where: where.county_zh,
    "floor": lambda rng, _: str(rng.randint(2, 17)),
    "month": lambda rng, _: str(rng.randint(1, 12)),
    "n": lambda rng, _: str(rng.randint(2, 9)),
    "name": lambda rng, _: names.person_name(rng),
    "name2": lambda rng, _: names.person_name(rng),
    "nn": lambda rng, _: str(rng.randint(10, 60)),
    "no": lambda rng, _: str(rng.randint(1, 388)),
    "place": _somewhere,
    "plate": lambda rng, _: names.plate(rng),
    "road": names.road,
    "road2": names.road,
    "room": lambda rng, _: f"{rng.randint(2, 17)}0{rng.randint(1, 4)}室",
    "shop": lambda rng, _: names.shop(rng),
    "street": lambda _, where: where.street_zh,
    "surname": lambda rng, _: names.person_name(rng)[0],
    "unit": lambda rng, _: f"{rng.randint(1, 4)}单元",
    "unit_no": lambda rng, _: names.unit_no(rng),
    "week": lambda rng, _: rng.choice("一二三四五"),
}
