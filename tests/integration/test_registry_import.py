"""A file of grids becomes a registry version, whole or not at all."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import asyncpg
import msgspec
import pytest

from server.errors import Problem
from server.services import Services
from server.usecases.registry import registry_of
from server.usecases.registry_export import export_grids
from server.usecases.registry_import import ImportOrder, ImportReport, import_registry
from server.usecases.registry_rows import Files
from server.usecases.registry_views import show_grid
from server.usecases.telling import Teller
from sync.coordinates import distance_m, wgs84_to_bd09, wgs84_to_gcj02
from tests.builders import caller
from tests.integration.registry_scene import (
    Row,
    drawing,
    everything,
    feature,
    geojson,
    row,
    square,
    table,
    town_rows,
)
from tests.integration.town import ADMINISTRATOR, COMMUNITY_EAST, COUNTY, EAST, STREET, WEST, WORKER_EAST, grid_id

pytestmark = pytest.mark.usefixtures("small_town")


async def take_in(services: Services, files: Files, *, by: Any = ADMINISTRATOR, dry_run: bool = False) -> ImportReport:
    order = ImportOrder(actor=await caller(services, by), reason="年度调整", dry_run=dry_run)
    return await import_registry(services, order, files, Teller())


def files(rows: list[Row], **more: Any) -> Files:
    return Files(**{"grids": table(rows), "outlines": drawing(rows), "crs": "wgs84"} | more)


def told(report: ImportReport) -> list[tuple[int | None, str]]:
    return [(one.row, one.fault) for one in report.faults]


async def test_new_changed_and_unchanged_rows_become_one_version(services: Services, truth: asyncpg.Connection) -> None:
    first, second, _ = town_rows()
    new = row(
        f"{WEST}002", "新网格", square(3), compounds="东苑;西苑", micro_grids="01:东片;02:西片", valid_to="2030-12-31"
    )
    report = await take_in(services, files([first, second._replace(name="改名网格"), new]))
    assert (report.rows, report.new, report.changed, report.unchanged, report.left_out) == (3, 1, 1, 1, 1)
    assert (report.version, report.faults) == (2, [])
    version = await truth.fetchrow("SELECT * FROM registry_version WHERE version = 2")
    assert (version["note"], version["published_by"]) == ("年度调整", ADMINISTRATOR.id)
    labels = await truth.fetch("SELECT * FROM grid_label ORDER BY code, from_version")
    held = {(one["code"], one["from_version"], one["to_version"], one["name"]) for one in labels}
    assert held == {
        (f"{EAST}001", 1, None, "第1网格"),
        (f"{EAST}002", 1, 2, "第2网格"),
        (f"{EAST}002", 2, None, "改名网格"),
        (f"{WEST}001", 1, None, "第3网格"),
        (f"{WEST}002", 2, None, "新网格"),
    }
    assert len({one["grid_id"] for one in labels if one["code"] == f"{EAST}002"}) == 1
    assert await truth.fetchval("SELECT detail->>'new' FROM audit WHERE action = 'registry.imported'") == "1"


async def test_what_stands_already_is_no_new_version(services: Services, truth: asyncpg.Connection) -> None:
    """Nor is the same ground drawn from another corner, the other way round, and left open."""
    before = await everything(truth)
    rows = town_rows()
    turned = [one._replace(ring=[*reversed(one.ring[2:]), *reversed(one.ring[1:2])]) for one in rows]
    for files_ in (files(rows), files(turned)):
        report = await take_in(services, files_)
        assert (report.unchanged, report.new, report.changed, report.version) == (3, 0, 0, None)
    assert await everything(truth) == before


async def test_a_column_that_is_not_there_changes_nothing_and_an_empty_cell_does(
    services: Services, truth: asyncpg.Connection
) -> None:
    first = town_rows()[0]
    full = {"compounds": "东苑;西苑", "micro_grids": "02:西片;01:东片", "valid_from": "2024-01-01", "valid_to": ""}
    await take_in(services, files([first._replace(more=full)]))
    columns = "compounds, micro_grids, valid_from, valid_to, synthetic"
    query = f"SELECT {columns} FROM grid_label WHERE code = $1 AND to_version IS NULL"
    micro_grids = '[{"name": "东片", "serial": "01"}, {"name": "西片", "serial": "02"}]'
    held = (["东苑", "西苑"], micro_grids, date(2024, 1, 1), None, True)
    assert tuple(await truth.fetchrow(query, first.code)) == held
    assert (await take_in(services, files([first._replace(more={})]))).version is None
    await take_in(services, files([first._replace(more={"compounds": "", "synthetic": "no"})]))
    assert tuple(await truth.fetchrow(query, first.code)) == ([], micro_grids, date(2024, 1, 1), None, False)


async def test_another_last_day_is_told_to_who_holds_the_former_version(services: Services) -> None:
    first = town_rows()[0]
    await take_in(services, files([first._replace(more={"valid_from": "2024-01-01", "valid_to": "2026-11-30"})]))
    view = msgspec.json.decode((await registry_of(services, await caller(services, WORKER_EAST), 1)).body)
    told = [(one["code"], one["valid_from"], one["valid_to"]) for one in view["grids"]]
    assert (view["version"], told) == (2, [(first.code, "2024-01-01", "2026-11-30")])


async def test_one_bad_row_keeps_everything_out(services: Services, truth: asyncpg.Connection) -> None:
    before = await everything(truth)
    good = row(f"{WEST}002", "好网格", square(3))
    bad = row(f"{WEST}003", "", square(4), valid_to="tomorrow")
    report = await take_in(services, files([good, bad]))
    assert told(report) == [(3, "text_invalid"), (3, "date_invalid")]
    assert {(one.field, one.code) for one in report.faults} == {("name", f"{WEST}003"), ("valid_to", f"{WEST}003")}
    assert report.version is None
    assert await everything(truth) == before


async def test_a_dry_run_leaves_nothing(services: Services, truth: asyncpg.Connection) -> None:
    before = await everything(truth)
    changed = [town_rows()[0]._replace(name="改名"), row(f"{WEST}002", "新网格", square(3))]
    report = await take_in(services, files(changed), dry_run=True)
    assert (report.new, report.changed, report.version, report.dry_run) == (1, 1, None, True)
    assert await everything(truth) == before


async def test_every_fault_of_rows_is_told_at_once(services: Services) -> None:
    rows = [
        row("34118200100100X", "非数字", square(10)),
        row(f"{EAST}0109", "校验位错", square(11)),
        row(f"{EAST}000", "序号错", square(12)),
        row("341182001009001", "无此社区", square(13)),
        row(f"{EAST}003", "社区不符", square(14), community=WEST),
        row(f"{EAST}004", "重复", square(15)),
        row(f"{EAST}004", "重复", square(16)),
        row("3.41182E+14", "被当作数字", square(17)),
        row("341103004004001", "别处", square(18)),
        row(f"{EAST}005", "=1+1", square(19)),
        row(f"{EAST}006", "微网格错", square(20), micro_grids="1:东片"),
        row(f"{EAST}007", "小区重复", square(21), compounds="东苑;东苑"),
        row(f"{EAST}008", "日期颠倒", square(22), valid_from="2024-02-01", valid_to="2024-01-31"),
        row(f"{EAST}009", "标记错", square(23), synthetic="maybe"),
    ]
    report = await take_in(services, files(rows, outlines=drawing([*rows[:6], *rows[7:]])))
    assert told(report) == [
        (2, "code_form"),
        (3, "code_check_digit"),
        (4, "code_serial"),
        (5, "community_unknown"),
        (6, "community_mismatch"),
        (8, "code_duplicate"),
        (9, "code_form"),
        (10, "community_unknown"),
        (10, "out_of_area"),
        (11, "text_invalid"),
        (12, "micro_grids_invalid"),
        (13, "list_invalid"),
        (14, "dates_reversed"),
        (15, "mark_invalid"),
    ]
    assert "text" in next(one.en for one in report.faults if one.row == 9)
    assert all(one.zh and one.en for one in report.faults)


async def test_every_fault_of_outlines_is_told_at_once(services: Services) -> None:
    codes = [f"{EAST}{serial:03}" for serial in range(101, 112)]
    ring = square(10)
    geometries: list[Any] = [
        {"type": "Point", "coordinates": ring[0]},
        {"type": "Polygon", "coordinates": [[ring[0], ring[1], ring[0]]]},
        {"type": "Polygon", "coordinates": [[[lat, lon] for lon, lat in ring]]},
        {"type": "Polygon", "coordinates": [[[None, 1], *ring[1:]]]},
        {"type": "MultiPolygon", "coordinates": [[ring], [square(12)]]},
        {"type": "Polygon", "coordinates": [[ring[0], ring[2], ring[1], ring[3]]]},
        {"type": "Polygon", "coordinates": [[(117.9, 32.7), (117.95, 32.7), (117.97, 32.7)]]},
        {"type": "Polygon", "coordinates": [[(118.0 + at / 1e5, 32.5 + (at % 2) / 1e4) for at in range(5_001)]]},
        None,
        {"type": "Polygon", "coordinates": [square(30)]},
    ]
    features = [feature(code, geometry) for code, geometry in zip(codes, geometries, strict=False)]
    features += [feature(codes[9], geometries[9]), feature(f"{EAST}999", geometries[9])]
    rows = [row(code, "网格", ring) for code in codes]
    report = await take_in(services, files(rows, outlines=geojson(features)))
    assert told(report) == [
        (None, "outline_unused"),
        (2, "geometry_type"),
        (3, "ring_points"),
        (4, "ring_bounds"),
        (5, "ring_points"),
        (6, "multi_part"),
        (7, "ring_crosses"),
        (8, "ring_area"),
        (9, "vertices_too_many"),
        (10, "geometry_type"),
        (11, "outline_duplicate"),
        (12, "outline_missing"),
    ]


async def test_grids_are_held_against_those_that_stay(services: Services) -> None:
    report = await take_in(services, files([row(f"{WEST}002", "压线", square(2.5))]))
    assert told(report) == [(2, "overlap")]
    assert f"{WEST}001" in report.faults[0].en
    moved = town_rows()[2]._replace(ring=square(3))
    assert (await take_in(services, files([moved, row(f"{WEST}002", "让出", square(2))]))).version == 2


async def test_a_code_that_was_given_up_is_never_used_again(services: Services, truth: asyncpg.Connection) -> None:
    await truth.execute("UPDATE grid_label SET to_version = 1 WHERE code = $1", f"{WEST}001")
    await truth.execute("INSERT INTO grid_code VALUES ($1, $2)", f"{EAST}700", grid_id(f"{EAST}001"))
    rows = [row(f"{WEST}001", "再用", square(2)), row(f"{EAST}700", "旧码", square(3))]
    report = await take_in(services, files(rows))
    assert told(report) == [(2, "code_retired"), (3, "code_of_other")]
    assert f"{EAST}001" in report.faults[1].en


@pytest.mark.parametrize(("crs", "convert"), [("gcj02", wgs84_to_gcj02), ("bd09", wgs84_to_bd09)])
async def test_outlines_are_converted_once_and_kept_as_given(
    services: Services, truth: asyncpg.Connection, crs: str, convert: Any
) -> None:
    first, second, _ = town_rows()
    new = [row(f"{WEST}{serial}", "移", square(place)) for serial, place in (("002", 4), ("003", 5))]
    shifted = [one._replace(ring=[convert(*vertex) for vertex in one.ring]) for one in new]
    assert distance_m(*new[0].ring[0], *shifted[0].ring[0]) > 300
    assert (await take_in(services, files(shifted, crs=crs))).version == 2
    held = await truth.fetch("SELECT outline, given FROM grid_label WHERE from_version = 2 ORDER BY code")
    outlines = [unpacked(one["outline"])[0] for one in held]
    for outline, one, drawn in zip(outlines, new, shifted, strict=True):
        assert len(outline) == 5
        assert all(min(distance_m(*vertex, *true) for true in one.ring) < 0.05 for vertex in outline)
        assert unpacked(held[shifted.index(drawn)]["given"]) == {
            "crs": crs,
            "outline": [[list(vertex) for vertex in drawn.ring]],
        }
    shared = {tuple(vertex) for vertex in outlines[0]} & {tuple(vertex) for vertex in outlines[1]}
    assert len(shared) == 2
    assert (await take_in(services, files(shifted, crs=crs))).version is None
    assert (await take_in(services, files([first, second]))).version is None


async def test_legal_datum_and_the_crs_member_of_the_file(services: Services) -> None:
    member = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4490"}}
    rows = town_rows()
    for files_ in (files(rows, crs="cgcs2000"), files(rows, crs=None, outlines=drawing(rows, crs=member))):
        assert (await take_in(services, files_)).unchanged == 3
    shifted = [one._replace(ring=[wgs84_to_gcj02(*vertex) for vertex in one.ring]) for one in rows]
    named = {"type": "name", "properties": {"name": "GCJ-02"}}
    assert (await take_in(services, files(rows, crs=None, outlines=drawing(shifted, crs=named)))).faults == []


async def test_divisions_come_along(services: Services, truth: asyncpg.Connection) -> None:
    north = "341182001003"
    divisions = (
        f"code,parent,name_zh,name_en\n{north},{STREET},北社区,North\n{EAST},,东风社区,\n{STREET},{COUNTY},明光街道,\n"
    ).encode()
    new = row(f"{north}001", "北网格", square(0, north=1))
    outlines = geojson([feature(north, {"type": "Polygon", "coordinates": [new.ring]})])
    report = await take_in(services, files([new], divisions=divisions, division_outlines=outlines))
    assert (report.new_divisions, report.changed_divisions, report.version) == (1, 1, 2)
    held = await truth.fetchrow("SELECT tier, parent, name_zh, name_en, outline FROM division WHERE code = $1", north)
    assert tuple(held)[:4] == ("community", STREET, "北社区", "North")
    assert len(unpacked(held["outline"])[0]) == 5
    renamed = await truth.fetchrow("SELECT name_zh, name_en, changed_in FROM division WHERE code = $1", EAST)
    assert tuple(renamed) == ("东风社区", "", 2)
    assert (await take_in(services, files([new], divisions=divisions, division_outlines=outlines))).version is None
    outside = await take_in(services, files([new._replace(ring=square(0, north=1.1))]))
    assert told(outside) == [(2, "outside_community"), (2, "hole")]


async def test_every_fault_of_divisions_is_told_at_once(services: Services, truth: asyncpg.Connection) -> None:
    before = await everything(truth)
    divisions = (
        "code,parent,name_zh,host_county\n"
        "34118200100,,短,\n341182002001,,无上级,\n341182001004,341182000000,上级错,\n341182001005,,,\n"
        "341182001006,,甲,\n341182001006,,乙,\n341182003000,,区,341182001000\n341103000000,,外县,\n多列,,,,\n"
    ).encode()
    report = await take_in(services, files([town_rows()[0]], divisions=divisions))
    assert told(report) == [
        (2, "division_form"),
        (3, "parent_unknown"),
        (4, "parent_mismatch"),
        (5, "text_invalid"),
        (7, "division_duplicate"),
        (8, "host_unknown"),
        (9, "out_of_area"),
        (10, "row_cells"),
    ]
    assert {one.field for one in report.faults} >= {"division.code", "division.parent", "division.name_zh"}
    assert await everything(truth) == before


UNREADABLE: list[tuple[dict[str, Any], str]] = [
    ({"grids": b"code,title\n"}, "title"),
    ({"grids": b""}, "code,name"),
    ({"grids": b"code,name,name\n"}, "once"),
    ({"grids": b'code,name\n"341'}, "CSV"),
    ({"grids": b"code,name\n\xff\xff,\xff"}, "UTF-8"),
    ({"grids": b"x" * (8 * 1024 * 1024 + 1)}, "8 MB"),
    ({"grids": b"code,name\n" + b",\n" * 20_001}, "20000"),
    ({"outlines": b"{"}, "GeoJSON"),
    ({"outlines": b'{"type":"Feature"}'}, "GeoJSON"),
    ({"outlines": b'{"type":"FeatureCollection","features":[{"geometry":null}]}'}, "code"),
    ({"outlines": b" " * (64 * 1024 * 1024 + 1)}, "64 MB"),
    ({"crs": None}, "--crs"),
    ({"outlines": drawing([], crs={"type": "name", "properties": {"name": "EPSG:4528"}})}, "EPSG:4326"),
    ({"outlines": drawing([], crs={"type": "name", "properties": {"name": "GCJ-02"}})}, "gcj02"),
]


async def test_a_file_that_cannot_be_read_is_refused_with_what_to_do(
    services: Services, truth: asyncpg.Connection
) -> None:
    before = await everything(truth)
    for change, words in UNREADABLE:
        with pytest.raises(Problem) as refused:
            await take_in(services, files(town_rows(), **change))
        assert refused.value.code == "import_unreadable"
        assert refused.value.field in ("GRIDS", "OUTLINES")
        assert words in refused.value.en
    assert await everything(truth) == before


async def test_spreadsheets_may_write_a_mark_first_or_the_national_encoding(services: Services) -> None:
    plain = table(town_rows())
    for raw, encoding in ((b"\xef\xbb\xbf" + plain, "utf-8"), (plain.decode().encode("gb18030"), "gb18030")):
        report = await take_in(services, files(town_rows(), grids=raw))
        assert (report.unchanged, report.encodings) == (3, [encoding])


async def test_codes_may_be_printed_ones_or_numbers(services: Services) -> None:
    rows = [town_rows()[0]]
    outlines = geojson([feature(int(rows[0].code), {"type": "MultiPolygon", "coordinates": [[rows[0].ring]]})])
    assert (await take_in(services, files(rows, outlines=outlines))).unchanged == 1
    printed = rows[0]._replace(code=f"{rows[0].code}3")
    assert (await take_in(services, files([printed], outlines=outlines))).unchanged == 1


async def test_of_two_imports_at_once_one_wins(services: Services, truth: asyncpg.Connection) -> None:
    both = [take_in(services, files([row(f"{WEST}002", name, square(3))])) for name in ("甲", "乙")]
    async with truth.transaction():
        await truth.execute("LOCK TABLE registry_version IN SHARE ROW EXCLUSIVE MODE")
        importing = asyncio.gather(*both, return_exceptions=True)
        # Both have read what stands and wait for their turn to write.
        async with asyncio.timeout(30):
            while await truth.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < len(both):
                pass
    first, second = await importing
    won, lost = (first, second) if isinstance(first, ImportReport) else (second, first)
    assert isinstance(won, ImportReport)
    assert won.version == 2
    assert isinstance(lost, Problem)
    assert lost.code == "registry_moved"
    assert await truth.fetchval("SELECT max(version) FROM registry_version") == 2
    assert await truth.fetchval("SELECT count(*) FROM grid_label WHERE code = $1", f"{WEST}002") == 1
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'registry.imported'") == 1


@pytest.mark.parametrize("who", [COMMUNITY_EAST, WORKER_EAST])
async def test_only_centres_and_administrators_publish(services: Services, truth: asyncpg.Connection, who: Any) -> None:
    before = await everything(truth)
    with pytest.raises(Problem) as refused:
        await take_in(services, files(town_rows()), by=who)
    assert refused.value.code == "forbidden"
    assert "County grid centre" in refused.value.en
    assert await everything(truth) == before


async def test_the_registry_in_memory_follows(services: Services) -> None:
    await take_in(services, files([row(f"{WEST}002", "新网格", square(3))]))
    services.registry_holder._checked_at = float("-inf")
    await services.registry_holder.refresh()
    held = services.registry
    assert held.version == 2
    assert held.index.locate(117.935, 32.705, 5.0).grid_id == held.by_code[f"{WEST}002"]


async def test_an_export_can_be_imported_again(services: Services, truth: asyncpg.Connection) -> None:
    more = {"compounds": "东苑;西苑", "micro_grids": "01:东片", "valid_from": "2024-01-01", "synthetic": "no"}
    await take_in(services, files([town_rows()[0]._replace(more=more), row(f"{EAST}901", "学校", square(3))]))
    actor = await caller(services, COMMUNITY_EAST)
    whole = [(await export_grids(services, actor, "", form)).body for form in ("csv", "geojson")]
    before = await everything(truth)
    back = Files(grids=whole[0], outlines=whole[1], crs="wgs84")
    assert (await take_in(services, back)).unchanged == 4
    assert await everything(truth) == before
    await truth.execute("DELETE FROM grid_label")
    await truth.execute("DELETE FROM assignment WHERE grid_id IS NOT NULL")
    await truth.execute("DELETE FROM grid_code")
    assert (await take_in(services, back)).new == 4
    again = [(await export_grids(services, actor, "", form)).body for form in ("csv", "geojson")]
    assert again[0] == whole[0]


def unpacked(text: str) -> Any:
    """A jsonb column as the plain connection gives it."""
    return msgspec.json.decode(text)


async def test_who_works_at_no_office_sees_only_his_own_grids(services: Services) -> None:
    actor = await caller(services, WORKER_EAST)
    with pytest.raises(Problem) as refused:
        await export_grids(services, actor, "", "csv")
    assert refused.value.code == "forbidden"
    with pytest.raises(Problem) as refused:
        await show_grid(services, actor, f"{EAST}001")
    assert refused.value.code == "forbidden"
