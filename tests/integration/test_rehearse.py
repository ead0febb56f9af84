"""`onegrid rehearse` from outside, small: the work of phones that were weeks offline arrives in the new grids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from server.demo.city import whole_city
from server.rehearse.folding import Unfit, fold, phones
from server.rehearse.report import Figures

pytestmark = pytest.mark.long

_PATIENCE = 300


def test_all_work_of_phones_weeks_offline_arrives_as_foretold() -> None:
    status, figures, told = rehearse("--phones", "12", "--communities", "4", "--into", "2", "--seed", "3")
    assert status == 0, told
    assert figures.good
    assert (figures.devices, figures.seed, figures.lost) == (12, 3, 0)
    outcomes = (figures.applied, figures.merged, figures.rebased, figures.parked)
    assert sum(outcomes) == figures.changes
    # Of everything there was some, or nothing was rehearsed.
    assert figures.changes >= 12 * 12
    assert figures.moves_predicted == figures.moves_actual > 0
    assert figures.unsent_moves_actual > 0
    assert figures.rebased > 0
    assert figures.conflicts_actual == figures.parked > 0
    assert "checking" in told


def test_what_the_county_is_too_small_for_is_wrong_usage() -> None:
    status, _, told = run("--phones", "12", "--communities", "40", "--into", "2")
    assert status == 2
    assert "35" in told


def test_communities_are_folded_within_their_street_and_no_more_than_was_asked() -> None:
    folding = fold(whole_city(), 26, 10)
    assert len(folding.into) == 16
    assert not folding.into.keys() & set(folding.into.values())
    assert all(code[:9] == home[:9] for code, home in folding.into.items())
    assert {grid.community_code for grid in folding.grids} == set(folding.into)


def test_a_grid_has_two_phones_and_no_phone_is_made_up() -> None:
    city = whole_city()
    folding = fold(city, 4, 2)
    found = phones(city, folding, 12)
    assert len({one.person_id for one in found}) == 12
    assert [one.grid_codes for one in found[::2]] == [one.grid_codes for one in found[1::2]]
    with pytest.raises(Unfit):
        phones(city, folding, 1_000)


def rehearse(*flags: str) -> tuple[int, Figures, str]:
    status, out, told = run(*flags, "--json")
    return status, msgspec.json.decode(out, type=Figures), told


def run(*flags: str) -> tuple[int, str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEGRID_")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", "rehearse", *flags],
        env=clean | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()
