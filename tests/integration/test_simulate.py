"""`onegrid simulate` from outside: what it counts, and that it finds every corruption it is not told of."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
import pytest

from schemas.forms import packaged
from server.simulate.faults import FAULTS
from tests.integration.simulated_city import City, served_city, simulate

pytestmark = pytest.mark.long

KEYS = [
    "devices", "change_sets", "changes", "by_item_type", "items", "photos_verified", "answers_lost",
    "receipts_replayed", "overlaps", "merged", "parked", "rejected", "lost", "duplicated", "diverged", "seconds",
    "seed", "plan", "faults",
]  # fmt: skip


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    with served_city() as served:
        yield served


def test_a_run_finds_nothing_wrong_and_is_large_enough_for_its_phones(city: City) -> None:
    ran = simulate(city, "--devices", "8", "--seed", "1")
    figures = ran.figures
    assert ran.status == 0, ran.told
    assert list(figures) == KEYS
    assert [figures[what] for what in ("lost", "duplicated", "diverged")] == [0, 0, 0]
    assert "direct SQL" in ran.told
    # What 200 phones have to reach, in proportion.
    share = 8 / 200
    assert figures["changes"] >= 20_000 * share
    assert figures["photos_verified"] >= 1_000 * share
    assert figures["overlaps"] >= 500 * share
    assert figures["parked"] >= 200 * share
    assert set(figures["by_item_type"]) == set(packaged().types)
    assert min(figures["by_item_type"].values()) >= 200 * share
    assert sum(figures["by_item_type"].values()) == figures["changes"]
    assert figures["answers_lost"] >= 0.05 * figures["change_sets"]
    assert figures["receipts_replayed"] >= figures["answers_lost"]
    assert figures["merged"] > 0
    assert figures["rejected"] > 0
    assert (figures["devices"], figures["seed"]) == (8, 1)


def test_the_codes_of_the_demo_file_are_left_to_others(city: City) -> None:
    codes = msgspec.json.decode(city.demo_file.read_bytes())["enrolment_codes"]
    assert simulate(city, "--devices", "2", "--seed", "2").status == 0
    for code in codes[:2]:
        wish = {"code": code["code"], "install": f"look-{code['user']}", "name": "mine", "app": "1.0"}
        answer = httpx.post(f"{city.url}/v1/enrol", json=wish)
        assert (answer.status_code, answer.json()["user"]) == (200, code["user"])


@pytest.mark.parametrize(("kind", "field"), [("drop", "lost"), ("double", "duplicated"), ("skip", "diverged")])
def test_sabotage_is_found_and_counted_by_a_look_into_the_database(city: City, kind: str, field: str) -> None:
    ran = simulate(city, "--devices", "6", "--seed", "3", "--sabotage", kind)
    assert "direct SQL" in ran.told
    assert_found(ran.status, ran.figures, ran.told, field)


def test_sabotage_is_found_through_fresh_pulls_where_only_the_address_is_known(city: City, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copy(city.demo_file, tmp_path))
    ran = simulate(city, "--devices", "6", "--seed", "4", "--sabotage", "double", demo_file=elsewhere)
    assert "fresh full pulls" in ran.told
    assert_found(ran.status, ran.figures, ran.told, "duplicated")


def assert_found(status: int, figures: dict[str, int], told: str, field: str) -> None:
    injected = re.search(r"sabotage: (\d+) ", told)
    assert injected is not None, told
    assert int(injected[1]) >= 3
    found = {what: figures[what] for what in ("lost", "duplicated", "diverged")}
    assert found == {"lost": 0, "duplicated": 0, "diverged": 0, field: int(injected[1])}, told
    assert status == 1


def test_every_fault_strikes_and_nothing_comes_of_it(city: City) -> None:
    ran = simulate(city, "--devices", "12", "--seed", "5", "--faults", "all")
    assert [ran.figures[what] for what in ("lost", "duplicated", "diverged")] == [0, 0, 0], ran.told
    struck = ran.figures["faults"]
    assert list(struck) == list(FAULTS)
    assert min(struck.values()) >= 1, struck
    assert ran.status == 0, ran.told


def test_the_same_seed_is_the_same_plan_and_another_is_another(city: City) -> None:
    faults = "day_offline,bytes_lost,poisoned,oversized"
    runs = [simulate(city, "--devices", "5", "--seed", seed, "--faults", faults) for seed in ("11", "11", "12")]
    assert [ran.status for ran in runs] == [0, 0, 0], [ran.told for ran in runs]
    one, again, other = (ran.figures for ran in runs)
    assert one["plan"] == again["plan"] != other["plan"]
    # No order of commits can change what is written but where an edit depends on what another phone left behind.
    assert one["faults"] == again["faults"]
    assert one["items"] == again["items"]
    assert one["change_sets"] == pytest.approx(again["change_sets"], rel=0.02)
    assert one["changes"] == pytest.approx(again["changes"], rel=0.02)


def test_sabotage_is_found_among_many_faults_too(city: City) -> None:
    faults = "request_lost,answer_garbled,raced,memory_older,bytes_lost,poisoned,backup_restored"
    ran = simulate(city, "--devices", "7", "--seed", "6", "--faults", faults, "--sabotage", "double")
    assert_found(ran.status, ran.figures, ran.told, "duplicated")


def test_a_fault_that_never_happened_makes_a_run_fail_if_it_had_phones_enough(city: City) -> None:
    # An answer comes late only where one was lost, and none is.
    ran = simulate(city, "--devices", "12", "--seed", "7", "--faults", "answer_applied_late")
    assert ran.status == 1
    assert "never happened: answer_applied_late" in ran.told
    assert [ran.figures[what] for what in ("lost", "duplicated", "diverged")] == [0, 0, 0]


def test_faults_that_need_a_desk_are_refused_where_only_the_address_is_known(city: City, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copy(city.demo_file, tmp_path))
    ran = simulate(city, "--devices", "4", "--faults", "holder_left", demo_file=elsewhere)
    assert ran.status == 1
    assert "need the server's data folder" in ran.figures["error"]["en"]


def test_a_fault_that_there_is_not_is_wrong_usage(city: City) -> None:
    ran = simulate(city, "--devices", "2", "--faults", "answer_lost,earthquake")
    assert ran.status == 2
    assert "earthquake" in ran.told


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--url", "http://127.0.0.1:9"], "check --url"),
        (["--url", "not an address"], "check --url"),
        (["--demo-file", "/nowhere/demo.json"], "cannot be read"),
        (["--demo-file", __file__], "is no demo file"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_sentence(city: City, flags: list[str], sentence: str) -> None:
    ran = simulate(city, "--devices", "2", *flags)
    assert ran.status == 1
    assert sentence in ran.figures["error"]["en"]
    assert "Traceback" not in ran.told


def test_a_city_whose_people_changed_since_is_told_in_one_sentence(city: City, tmp_path: Path) -> None:
    demo = msgspec.json.decode(city.demo_file.read_bytes())
    for code in demo["enrolment_codes"]:
        code["code"], code["user"] = code["code"][::-1], str(uuid4())
    other = tmp_path / "demo.json"
    other.write_bytes(msgspec.json.encode(demo))
    ran = simulate(city, "--devices", "3", demo_file=other)
    assert ran.status == 1
    assert "has no post any more" in ran.figures["error"]["en"]
    assert "Traceback" not in ran.told


def test_the_file_of_another_server_is_refused(city: City, tmp_path: Path) -> None:
    demo = msgspec.json.decode(city.demo_file.read_bytes())
    for code in demo["enrolment_codes"]:
        code["code"] = code["code"][::-1]
    for login in demo["logins"]:
        login["phone"] = "19900009999"
    other = tmp_path / "demo.json"
    other.write_bytes(msgspec.json.encode(demo))
    ran = simulate(city, "--devices", "3", demo_file=other)
    assert ran.status == 1
    assert "is not of the server" in ran.figures["error"]["en"]
