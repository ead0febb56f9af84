"""What it costs to keep a new resident's record private: the functions that a push calls, on made-up residents.

Only the time of this process's own computing counts, so a busy machine changes little. Each round measures all steps
on the same change sets; the median of the rounds is told.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from random import Random
from statistics import median
from time import process_time_ns
from uuid import UUID

from msgspec import Struct

from schemas.forms import packaged
from schemas.wire import Capture, Fix
from server.bench.figures import Figure, Figures
from server.made_up.forms.making import make_fields
from server.made_up.forms.scene import Scene
from server.sealing import Keyring
from server.usecases.sealed_items import Vault
from server.usecases.searching import terms_of
from sync.items import ItemState

_RESIDENT = "0101"
_COMMUNITY = "341182001001"
_SQUARE = (((117.9, 32.7), (117.91, 32.7), (117.91, 32.71), (117.9, 32.71), (117.9, 32.7)),)
_STEPS = ("new_key", "head_and_revision", "blind_indexes")


class Load(Struct, frozen=True):
    """How much is measured: change sets, the records in each, rounds."""

    change_sets: int = 200
    records: int = 20
    rounds: int = 9


def measure(load: Load) -> Figures:
    """Microseconds of computing a record: all of it, and each step alone."""
    sets = _change_sets(load, Random(1))
    _round(sets)  # whatever is made ready at first use
    rounds = [_round(sets) for _ in range(load.rounds)]
    count = load.change_sets * load.records * 1000
    steps = {name: median(one[place] for one in rounds) / count for place, name in enumerate(_STEPS)}
    whole = median(sum(one) for one in rounds) / count
    return Figures(
        [
            Figure("sealing", round(whole, 2), "us/record"),
            *(Figure(f"sealing.{name}", round(value, 2), "us/record") for name, value in steps.items()),
            Figure("sealing.records_per_change_set", load.records, "records"),
        ]
    )


def _round(sets: list[list[ItemState]]) -> tuple[int, ...]:
    """Nanoseconds of each step, over all change sets."""
    keyring, catalogue, capture = Keyring(os.urandom(32)), packaged(), _capture()
    compiled, spent = catalogue.types[_RESIDENT], [0] * len(_STEPS)
    for items in sets:
        ids = [item.id for item in items]
        began = process_time_ns()
        vault = Vault(keyring, catalogue)
        keys = vault.new_keys(ids)
        made = process_time_ns()
        keyed = [(item, keys[item.id]) for item in items]
        closing = process_time_ns()
        closed = [vault.close_new(item, key, capture) for item, key in keyed]
        kept = process_time_ns()
        terms = [terms_of(keyring, compiled, item.fields, _COMMUNITY) for item in items]
        ended = process_time_ns()
        assert len(closed) == len(terms)
        for step, took in enumerate((made - began, kept - closing, ended - kept)):
            spent[step] += took
    return tuple(spent)


def _change_sets(load: Load, rng: Random) -> list[list[ItemState]]:
    return [[_resident(rng) for _ in range(load.records)] for _ in range(load.change_sets)]


def _resident(rng: Random) -> ItemState:
    now, dwelling = datetime(2024, 6, 1, 8, tzinfo=UTC), _id(rng)
    fields = make_fields(_RESIDENT, rng, Scene(now, _SQUARE, {"0102": [str(dwelling)]}))
    return ItemState(
        id=_id(rng),
        type=_RESIDENT,
        grid_id=_id(rng),
        stream_class="grid",
        author_id=_id(rng),
        in_own_stream=False,
        version=1,
        rev=1,
        touch=0,
        deleted=False,
        urgency="normal",
        fields=fields,
        captured_at=now,
        received_at=now,
        updated_at=now,
    )


def _id(rng: Random) -> UUID:
    return UUID(int=rng.getrandbits(128), version=4)


def _capture() -> Capture:
    return Capture(datetime(2024, 6, 1, 16, tzinfo=UTC), 60_000, "boot", Fix(117.905, 32.705, "wgs84", 5.0))
