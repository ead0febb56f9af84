"""Meetings: two phones that know the same item are made to change it on the same day, each without the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Literal
from uuid import UUID

from msgspec import Struct

from schemas.forms import packaged
from server.made_up.forms import editable
from server.simulate.notebook import Note, Notebook
from server.simulate.plan import RECORDS

Act = Literal["edit", "add_photo", "add_option", "delete"]

_A_GRID_DAY = 3
_KINDS = {"manual": 42, "policy": 24, "union": 8, "apart": 14, "deletion": 12}


class Deed(Struct, frozen=True):
    """What one phone does to an item that another changes too. `key`: the field."""

    item: UUID
    type: str
    act: Act
    key: str = ""


class Party(Struct, frozen=True):
    """A phone of a grid's team: its number and the last day at whose end it had pulled everything."""

    number: int
    knew: int


def arrange(rng: Random, notebook: Notebook, teams: Mapping[str, Sequence[Party]]) -> dict[int, list[Deed]]:
    """The deeds of a day by phone number; `teams`: grid code -> the phones of its team, in order."""
    deeds: defaultdict[int, list[Deed]] = defaultdict(list)
    for grid, team in teams.items():
        taken: set[UUID] = set()
        for _ in range(_A_GRID_DAY if len(team) > 1 else 0):
            pair = rng.sample(list(team), 2)
            known = notebook.known(grid, min(party.knew for party in pair))
            free = [note for note in known if note.stream == "grid" and note.item not in taken]
            kind = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
            for note, of_pair in _meet(rng, kind, free):
                taken.add(note.item)
                for party, deed in zip(pair, of_pair, strict=True):
                    deeds[party.number].append(deed)
    return dict(deeds)


def _meet(rng: Random, kind: str, free: Sequence[Note]) -> list[tuple[Note, tuple[Deed, Deed]]]:
    """One item and what each of the two does to it; nothing where no item fits."""
    fitting = [(note, keys) for note in free if (keys := _FITTING[kind](note))]
    if not fitting:
        return []
    note, keys = rng.choice(fitting)
    one, other = rng.sample(keys, 2) if kind == "apart" else (key := rng.choice(keys), key)
    first: Act = "delete" if kind == "deletion" else "edit"
    second: Act = "edit"
    if kind == "union":
        first = second = "add_photo" if one == "photos" else "add_option"
    pair = [Deed(note.item, note.type, first, one), Deed(note.item, note.type, second, other)]
    rng.shuffle(pair)
    return [(note, (pair[0], pair[1]))]


def _with_policy(note: Note, *policies: str) -> list[str]:
    form = packaged().types[note.type]
    return [key for key in editable(note.type) if form.merge_policy(key) in policies and key != form.photo_field]


def _manual(note: Note) -> list[str]:
    """Fields where two workers hardly write the same; a flag has only one other value."""
    fields = packaged().types[note.type].fields
    return [key for key in _with_policy(note, "manual") if fields[key].type != "boolean"]


def _union(note: Note) -> list[str]:
    if note.type == "0104":
        return ["care_types"]
    return ["photos"] if note.type in ("0102", "0103", "0105") else []


def _apart(note: Note) -> list[str]:
    keys = list(editable(note.type))
    return keys if note.type in RECORDS and len(keys) > 1 else []


def _of_record(note: Note) -> list[str]:
    return list(editable(note.type)) if note.type in RECORDS else []


_FITTING: dict[str, Callable[[Note], list[str]]] = {
    "manual": _manual,
    "policy": lambda note: _with_policy(note, "lww", "max", "append"),
    "union": _union,
    "apart": _apart,
    "deletion": _of_record,
}
