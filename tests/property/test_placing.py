"""What all sources agree on is placed as it is by the rebase, which looks for all that could have happened."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from schemas.item_type import GridSource
from schemas.wire import Capture, Change, LegacyCode
from server.demo.city import one_street
from sync.crosswalk import CrosswalkRow
from sync.former_ground import FormerGround, OutlineSpan
from sync.lineage import CodeValidity, Lineage, Step
from sync.placing import Writing, place, settled
from sync.registry import GridLabel, Registry
from sync.territory import Fix, Sighting

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
GRIDS = one_street().grids
HERE, THERE = GRIDS[0], GRIDS[1]
ENDED, ENDED_CODE, NEVER = UUID(int=7), "341182999999001", "341182999999002"
CORNERS = [corner for grid in (HERE, THERE) for corner in grid.outline[0]]
# Up to version 3 the one grid had the ground of the other.
REGISTRY = Registry(
    3,
    [GridLabel(one.id, one.code, one.code[:12], "general", "", one.outline) for one in GRIDS],
    Lineage(
        [
            Step(2, "split", (ENDED,), (HERE.id, THERE.id)),
            *(Step(3, "redraw", (one.id,), (one.id,)) for one in (HERE, THERE)),
        ],
        [CodeValidity(ENDED_CODE, ENDED, 1, 2), *(CodeValidity(one.code, one.id, 2) for one in (HERE, THERE))],
    ),
    [CrosswalkRow(department="xiaofang", legacy_code="X-1", valid_from=NOW.date(), grid_id=HERE.id)],
    FormerGround(
        span
        for one, other in ((HERE, THERE), (THERE, HERE))
        for span in (OutlineSpan(one.id, 2, 3, other.outline), OutlineSpan(one.id, 3))
    ),
    published=[(1, NOW - timedelta(days=9)), (2, NOW - timedelta(days=8)), (3, NOW - timedelta(days=7))],
)


def middle(grid_id: UUID) -> Fix:
    """A position well inside."""
    lons, lats = zip(*REGISTRY.labels[grid_id].outline[0][:-1], strict=True)
    fix = Fix(sum(lons) / len(lons), sum(lats) / len(lats), "wgs84", 3.0)
    assert Sighting(REGISTRY.index).locate(fix).grid_id == grid_id
    return fix


class Asked(Struct):
    """One question: a change, and all that is known of it."""

    grid: str | None
    legacy: LegacyCode | None
    sources: list[GridSource]
    fixes: dict[GridSource, Fix]
    reference: UUID | None
    version: int
    known: int


_lons = st.floats(min(lon for lon, _ in CORNERS) - 0.003, max(lon for lon, _ in CORNERS) + 0.003)
_lats = st.floats(min(lat for _, lat in CORNERS) - 0.003, max(lat for _, lat in CORNERS) + 0.003)
_metres = st.floats(0, 200)
_anywhere = st.builds(Fix, _lons, _lats, st.sampled_from(["wgs84", "gcj02", "bd09"]), _metres)
_on_corner = st.builds(lambda corner, metres: Fix(*corner, "wgs84", metres), st.sampled_from(CORNERS), _metres)
_middles = [middle(one.id) for one in (HERE, THERE)]
_fix = st.sampled_from(_middles) | _anywhere | _on_corner
_asked = st.builds(
    Asked,
    st.sampled_from([None, HERE.code, THERE.code, ENDED_CODE, NEVER]),
    st.sampled_from([None, None, LegacyCode("xiaofang", "X-1"), LegacyCode("xiaofang", "X-2")]),
    st.lists(st.sampled_from(["point", "reference", "capture", "claimed"]), unique=True),
    st.dictionaries(st.sampled_from(["point", "capture"]), _fix),
    st.sampled_from([None, HERE.id, UUID(str(HERE.id)), THERE.id, ENDED, UUID(int=8)]),
    st.integers(1, 4),
    st.integers(1, 3),
)


@given(_asked)
@example(Asked(HERE.code, None, ["point", "capture", "claimed"], {"point": _middles[0]}, None, 3, 3))
@example(Asked(HERE.code, None, ["point", "claimed"], {"point": _middles[1]}, None, 3, 3))
@example(Asked(None, LegacyCode("xiaofang", "X-1"), ["point", "claimed"], {"point": _middles[0]}, None, 3, 3))
@example(Asked(HERE.code, None, ["claimed"], {}, None, 2, 3))
@example(Asked(None, None, ["point"], {"point": _middles[0]}, None, 3, 2))
@example(Asked(ENDED_CODE, None, ["point", "claimed"], {"point": _middles[0]}, None, 3, 3))
@example(Asked(HERE.code, None, ["reference"], {}, ENDED, 3, 3))
def test_what_sources_agree_on_is_placed_as_by_the_rebase(asked: Asked) -> None:
    capture = Capture(NOW, 1, "boot")
    change = Change("create", UUID(int=1), "0102", capture, grid=asked.grid, legacy=asked.legacy)
    fixes = {source: fix for source, fix in asked.fixes.items() if source in asked.sources}
    writing = Writing(NOW, asked.version, asked.known, asked.reference)
    form: object = SimpleNamespace(territory=dict.fromkeys(asked.sources))
    given = change, form, fixes, asked.reference, REGISTRY, writing, Sighting(REGISTRY.index)
    assert place(*given) == settled(*given)
