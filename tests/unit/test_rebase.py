"""The rebase by hand: what decides, what is stored, and the sentence that it is told in."""

from __future__ import annotations

from datetime import UTC, date, datetime
from math import cos, radians
from uuid import UUID

import msgspec
import pytest

from schemas.item_type import GridSource
from schemas.wire import LegacyCode
from sync.crosswalk import CrosswalkRow
from sync.derivation import Derivation, Other
from sync.derivation_words import Names, Words, explain
from sync.lineage import CodeValidity, Lineage, Step
from sync.rebase import Rebase, derivation, read_claim, settle
from sync.registry import GridLabel, Registry
from sync.territory import Fix, Sighting

LAT, LON = 32.78, 118.0
METRES_LAT = 111_195.0
METRES_LON = METRES_LAT * cos(radians(LAT))
COMMUNITY = "341102004001"
THREE, FOUR, FIVE, SIX, SEVEN, EIGHT, NINE = (UUID(int=number) for number in range(3, 10))
ORDER: tuple[GridSource, ...] = ("point", "capture", "claimed")
DAY = datetime(2026, 5, 6, tzinfo=UTC)


def code(serial: int) -> str:
    return f"{COMMUNITY}{serial:03}"


def at(x: float, y: float = 200.0) -> tuple[float, float]:
    return LON + x / METRES_LON, LAT + y / METRES_LAT


def fix(x: float, accuracy_m: float = 8.0) -> Fix:
    return Fix(*at(x), "wgs84", accuracy_m)


def label(grid_id: UUID, west: float) -> GridLabel:
    ring = [at(west, 0.0), at(west + 400.0, 0.0), at(west + 400.0, 1000.0), at(west, 1000.0)]
    return GridLabel(grid_id, code(grid_id.int), COMMUNITY, "general", "", [ring])


SPLIT = Step(9, "split", (THREE,), (FOUR, FIVE))
RETIRED = Step(9, "retire", (SEVEN,))
MERGED = Step(10, "merge", (EIGHT, NINE), (SIX,))
REGISTRY = Registry(
    10,
    [label(FOUR, 0.0), label(FIVE, 400.0), label(SIX, 800.0)],
    Lineage(
        [SPLIT, RETIRED, MERGED],
        [
            CodeValidity(code(3), THREE, 1, 9),
            CodeValidity(code(4), FOUR, 9),
            CodeValidity(code(5), FIVE, 9),
            CodeValidity(code(7), SEVEN, 1, 9),
            CodeValidity(code(8), EIGHT, 1, 10),
            CodeValidity(code(9), NINE, 1, 10),
            CodeValidity(code(6), SIX, 10),
        ],
    ),
    [
        CrosswalkRow(department="xiaofang", legacy_code="X-3", valid_from=date(2017, 1, 1), grid_id=THREE),
        CrosswalkRow(department="xiaofang", legacy_code="X-ALL", valid_from=date(2017, 1, 1), community=COMMUNITY),
        CrosswalkRow(department="xiaofang", legacy_code="X-4", valid_from=date(2017, 1, 1), grid_id=FOUR),
    ],
)
NAMES = Names(lambda grid: REGISTRY.code(UUID(grid)), lambda code: Words("消防", "Fire and rescue"))


def rebase(
    written: int | str | None,
    *,
    version: int = 7,
    point: Fix | None = None,
    capture: Fix | None = None,
    reference: UUID | None = None,
    order: tuple[GridSource, ...] = ORDER,
) -> Rebase:
    """What becomes of a change that names a grid by serial, or by a legacy code."""
    legacy = LegacyCode("xiaofang", written) if isinstance(written, str) else None
    claim = read_claim(code(written) if isinstance(written, int) else None, legacy, version, DAY, REGISTRY)
    given: dict[GridSource, Fix | None] = {"point": point, "capture": capture}
    return settle(
        order,
        claim,
        fixes={source: one for source, one in given.items() if one},
        reference_grid=reference,
        registry=REGISTRY,
        sighting=Sighting(REGISTRY.index),
    )


def told(one: Rebase) -> str:
    """As it is stored, read again, and said."""
    stored = msgspec.json.decode(msgspec.json.encode(derivation(one, REGISTRY)), type=Derivation)
    return explain(stored, NAMES).en


def test_the_fix_tells_which_part_of_a_split_grid_is_meant() -> None:
    one = rebase(3, point=fix(540.0))
    assert (one.territory.grid_id, one.rebased) == (FIVE, True)
    stored = derivation(one, REGISTRY)
    assert msgspec.json.decode(msgspec.json.encode(stored)) == {
        "registry": 10,
        "source": "point",
        "code": code(5),
        "written": {"code": code(3), "registry": 7, "answer": "several"},
        "path": [{"version": 9, "kind": "split", "before": [code(3)], "after": [code(4), code(5)]}],
        "candidates": [code(4), code(5)],
        "fix": {"source": "point", "accuracy_m": 8, "border_m": 140},
    }
    assert explain(stored, NAMES) == (
        f"依编码库 7 版写明 {code(3)};9 版拆分为 {code(4)}、{code(5)};定位(精度 8 米)在 {code(5)} 内,距其边界 140 米。",
        f"Written against {code(3)} at registry 7; split at 9 into {code(4)} and {code(5)}; "
        f"the fix, 8 m accuracy, lies in {code(5)}, 140 m from its border.",
    )


@pytest.mark.parametrize(
    ("one", "grid", "rebased", "said"),
    [
        (
            rebase(3),
            None,
            False,
            f"Written against {code(3)} at registry 7; split at 9 into {code(4)} and {code(5)}; "
            f"a person has to choose; it may be {code(4)} or {code(5)}.",
        ),
        (
            rebase(3, point=fix(403.0)),
            None,
            False,
            f"Written against {code(3)} at registry 7; split at 9 into {code(4)} and {code(5)}; "
            f"the fix, 8 m accuracy, reaches {code(4)} and {code(5)}; "
            f"a person has to choose; it may be {code(4)} or {code(5)}.",
        ),
        (
            rebase(3, point=fix(797.0)),
            FIVE,
            True,
            f"Written against {code(3)} at registry 7; split at 9 into {code(4)} and {code(5)}; "
            f"the fix, 8 m accuracy, lies in {code(5)}, 3 m from its border.",
        ),
        (
            rebase(3, point=fix(-300.0)),
            None,
            False,
            f"Written against {code(3)} at registry 7; split at 9 into {code(4)} and {code(5)}; "
            f"the fix, 8 m accuracy, lies in no grid; a person has to choose; it may be {code(4)} or {code(5)}.",
        ),
        (
            rebase(3, point=fix(403.0), capture=fix(100.0)),
            FOUR,
            True,
            f"Written against {code(3)} at registry 7; split at 9 into {code(4)} and {code(5)}; "
            f"the fix of the phone, 8 m accuracy, lies in {code(4)}, 100 m from its border.",
        ),
        (
            rebase(3, reference=FOUR, order=("reference", "claimed")),
            FOUR,
            True,
            f"Written against {code(3)} at registry 7; split at 9 into {code(4)} and {code(5)}; "
            f"what it refers to lies in {code(4)}.",
        ),
        (
            rebase(3, point=fix(900.0)),
            SIX,
            True,
            f"Written against {code(3)} at registry 7; split at 9 into {code(4)} and {code(5)}; "
            f"the fix, 8 m accuracy, lies in {code(6)}, 100 m from its border.",
        ),
        (
            rebase(9),
            SIX,
            True,
            f"Written against {code(9)} at registry 7; {code(8)} and {code(9)} merged at 10 into {code(6)}; "
            f"which leaves {code(6)} alone.",
        ),
        (
            rebase(9, point=fix(100.0)),
            FOUR,
            True,
            f"Written against {code(9)} at registry 7; {code(8)} and {code(9)} merged at 10 into {code(6)}; "
            f"the fix, 8 m accuracy, lies in {code(4)}, 100 m from its border; "
            f"the code says {code(6)}, which moved nothing.",
        ),
        (
            rebase(7),
            None,
            False,
            f"Written against {code(7)} at registry 7; retired at 9 without a successor; "
            f"a person has to choose; it may be {code(4)}, {code(5)} or {code(6)}.",
        ),
        (
            rebase(77),
            None,
            False,
            f"Written against {code(77)} at registry 7; no grid ever bore this code; a person has to name the grid.",
        ),
        (
            rebase("X-3", capture=fix(500.0), order=("claimed", "capture")),
            FIVE,
            True,
            f"Written with X-3, a code of “Fire and rescue”; {code(3)} split at 9 into {code(4)} and {code(5)}; "
            f"it stands for {code(4)} and {code(5)} now; "
            f"the fix of the phone, 8 m accuracy, lies in {code(5)}, 100 m from its border.",
        ),
        (
            rebase("X-ALL"),
            None,
            False,
            f"Written with X-ALL, a code of “Fire and rescue”; "
            f"a person has to choose; it may be {code(4)}, {code(5)} or {code(6)}.",
        ),
        (rebase("X-4"), FOUR, False, f"Written with X-4, a code of “Fire and rescue”; which leaves {code(4)} alone."),
        (rebase(4), FOUR, False, f"Which leaves {code(4)} alone."),
        (rebase(None, reference=SIX, order=("reference",)), SIX, False, f"What it refers to lies in {code(6)}."),
        (rebase(None, point=fix(100.0)), FOUR, False, f"Its own point lies in {code(4)}."),
        (rebase(None, capture=fix(100.0)), FOUR, False, f"The phone was in {code(4)} at the capture."),
        (rebase(None), None, False, "A person has to name the grid."),
    ],
    ids=str,
)
def test_what_decides_and_how_it_is_told(one: Rebase, grid: UUID | None, rebased: bool, said: str) -> None:
    assert (one.territory.grid_id, one.rebased) == (grid, rebased)
    assert told(one) == said


def test_a_unified_code_that_still_says_something_comes_before_a_legacy_one() -> None:
    def answer(grid: str | None) -> str:
        claim = read_claim(grid, LegacyCode("xiaofang", "X-4"), 7, DAY, REGISTRY)
        assert claim is not None
        return claim.code

    assert [answer(code(serial)) for serial in (3, 4, 9)] == [code(3), code(4), code(9)]
    assert [answer(grid) for grid in (code(7), code(77), None)] == ["X-4", "X-4", "X-4"]


@pytest.mark.parametrize(
    ("stored", "zh", "en"),
    [
        ({"source": "person", "code": code(4)}, f"由人指定为 {code(4)}。", f"A person named {code(4)}."),
        (
            {"source": "held", "code": code(4)},
            f"取其等待的网格 {code(4)}。",
            f"It got {code(4)}, which it had waited for.",
        ),
        (
            {"source": "undo", "code": code(4)},
            f"恢复原网格 {code(4)}。",
            f"The grid from before was put back: {code(4)}.",
        ),
        ({"settlement": {"take": "server"}}, "由人处理了冲突。", "A person settled a conflict."),
        ({"undone": {"version": 2}}, "由人撤回了处理结果。", "A person took a settlement back."),
    ],
)
def test_what_a_person_decided_is_told_as_that(stored: dict[str, object], zh: str, en: str) -> None:
    assert explain(msgspec.convert(stored, Derivation), NAMES) == (zh, en)


def test_a_grid_that_has_ended_is_not_named() -> None:
    stored = Derivation(source="point", code=code(4), disagreeing=(Other("capture", str(THREE)),))
    assert explain(stored, NAMES).zh == f"事项的位置在 {code(4)};采集时手机在 已停用的网格,未采用。"
