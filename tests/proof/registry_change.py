"""`python -m tests.proof.registry_change`: how long a plan over a whole city takes, and whom carrying it out holds up.

Two hundred grids with a thousand items each: half of the grids are split, the others merged in pairs. The plan is timed
while nothing else runs. It is carried out while phones of these very grids push, and meanwhile the database is asked
again and again who waits for a lock, and since when.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from server.bench.exchange.pushing import Pusher, Ready, decoded, once
from server.bench.exchange.town import enrol, ground, lay_out
from server.db import bulk, people
from server.db.people import NewAssignment
from server.services import Services, open_services
from server.usecases.registry_drafting import PlanFiles
from server.usecases.registry_planning import plan_changes
from server.usecases.registry_reports import ApplyReport
from server.usecases.sealed_items import Vault
from server.usecases.sessions import Caller
from server.usecases.telling import Teller
from sync.access import Assignment
from sync.feed import digest, entry_hash, signed64
from sync.items import ItemState, revision_rev, stream_keys
from tests.builders import form
from tests.proof.house import House, standing

_TYPES = ("0102", "0102", "0101", "0101", "0404")
_RECORDS = 10
_LOOK_EVERY = 0.004
_GRIDS_AT_ONCE = 10


class Report(Struct, frozen=True):
    """Seconds and milliseconds; `lock_p999_ms`: of the pushes' waits for locks, those that waited for none included."""

    grids: int
    items: int
    plan_seconds: float
    apply_seconds: float
    items_a_second: float
    as_foretold: bool
    pushes: int
    outcomes: dict[str, int]
    push_p50_ms: float
    push_p999_ms: float
    waits_seen: int
    lock_p999_ms: float
    longest_wait_ms: float


def prove(grids: int, each: int, phones: int, tell: Callable[[str], None]) -> Report:
    """Measure in a fresh data folder."""
    with tempfile.TemporaryDirectory(prefix="onegrid-change-") as folder, standing(Path(folder, "data"), 1) as up:
        return asyncio.run(_measure(up, grids, each, phones, tell))


async def _measure(house: House, grids: int, each: int, phones: int, tell: Callable[[str], None]) -> Report:
    async with open_services(house.settings()) as services:
        await lay_out(services, grids)
        actor = await _administrator(services)
        teams = [(number,) for number in range(0, grids, max(1, grids // phones))][:phones]
        pushers = [
            Pusher(phone, f"change {place}", _RECORDS)
            for place, phone in enumerate(await enrol(services, "grid_worker", teams))
        ]
        for first in range(0, grids, _GRIDS_AT_ONCE):
            await _fill(services, range(first, min(first + _GRIDS_AT_ONCE, grids)), each, actor.user_id)
        async with services.database.single() as connection:
            await connection.execute("ANALYZE")
        tell(f"{grids} grids with {each} items each")
        files = _plan(grids)
        began = time.perf_counter()
        planned = await plan_changes(services, actor, files, datetime.now(UTC), Teller())
        plan_seconds = time.perf_counter() - began
        assert planned.report.faults == [], planned.report.faults[:3]
        assert planned.report.items is not None
        tell(f"planned in {plan_seconds:.1f} s: {planned.report.items.moved} to move")
    return await _apply(house, actor, files, pushers, grids, plan_seconds, tell)


async def _apply(
    house: House,
    actor: Caller,
    files: PlanFiles,
    pushers: Sequence[Pusher],
    grids: int,
    plan_seconds: float,
    tell: Callable[[str], None],
) -> Report:
    """The command is a process of its own, as it is where a city does this."""
    stop, over = asyncio.Event(), threading.Event()
    waits: dict[tuple[int, datetime], float] = {}
    watcher = threading.Thread(target=lambda: asyncio.run(_watch(house.owner_url(), waits, over)))
    watcher.start()
    pushing = [asyncio.create_task(_push(house.port, one, stop)) for one in pushers]
    began = time.perf_counter()
    report = await _command(house, actor, files)
    seconds = time.perf_counter() - began
    stop.set()
    pushed = [one for each in await asyncio.gather(*pushing) for one in each]
    over.set()
    watcher.join()
    assert report.actual is not None
    tell(f"moved {report.actual.moved} in {seconds:.1f} s; differences {report.differences[:3]}")
    outcomes: defaultdict[str, int] = defaultdict(int)
    for _, told in pushed:
        for one in told:
            outcomes[one] += 1
    times = sorted(seconds * 1000 for seconds, _ in pushed)
    held = sorted([*(one * 1000 for one in waits.values()), *[0.0] * max(0, len(times) - len(waits))])
    return Report(
        grids=grids,
        items=report.actual.looked,
        plan_seconds=round(plan_seconds, 1),
        apply_seconds=round(seconds, 1),
        items_a_second=round(report.actual.looked / seconds),
        as_foretold=not report.differences,
        pushes=len(times),
        outcomes=dict(outcomes),
        push_p50_ms=round(_rank(times, 0.5), 1),
        push_p999_ms=round(_rank(times, 0.999), 1),
        waits_seen=len(waits),
        lock_p999_ms=round(_rank(held, 0.999), 1),
        longest_wait_ms=round(held[-1] if held else 0.0, 1),
    )


async def _command(house: House, actor: Caller, files: PlanFiles) -> ApplyReport:
    folder = house.folder.path
    folder.joinpath("plan.yaml").write_bytes(files.plan)
    folder.joinpath("plan.geojson").write_bytes(files.outlines or b"")
    arguments = ("registry", "apply", "plan.yaml", "--as", str(actor.user_id), "--reason", "proof", "--json")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", *arguments),
        env=os.environ | house.environ() | {"PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return msgspec.json.decode(out, type=ApplyReport)


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


async def _push(port: int, pusher: Pusher, stop: asyncio.Event) -> list[tuple[float, list[str]]]:
    """Seconds and outcomes of set after set."""
    done: list[tuple[float, list[str]]] = []
    while not stop.is_set():
        ready: Ready = pusher.make(1)[0]
        began = time.perf_counter()
        answer = decoded(await once(port, ready.product))
        seconds = time.perf_counter() - began
        done.append((seconds, [one.outcome for receipt in answer.receipts for one in receipt.outcomes]))
    return done


async def _watch(url: str, waits: dict[tuple[int, datetime], float], over: threading.Event) -> None:
    """By waiting backend and the instant at which it began to wait, how long it was last seen to."""
    connection = await asyncpg.connect(url)
    # The job itself may wait: what counts is who else does.
    query = """
        SELECT l.pid, l.waitstart, extract(epoch FROM clock_timestamp() - l.waitstart)::float8 AS seconds
        FROM pg_locks l WHERE NOT l.granted AND l.waitstart IS NOT NULL
    """
    while not over.is_set():
        for row in await connection.fetch(query):
            waits[row["pid"], row["waitstart"]] = row["seconds"]
        await asyncio.sleep(_LOOK_EVERY)
    await connection.close()


async def _administrator(services: Services) -> Caller:
    (phone,) = await enrol(services, "administrator", [()])
    held = NewAssignment(user_id=phone.user, role="administrator", division="341182000000")
    await services.database.write(lambda tx: people.insert_assignments(tx.connection, [held]))
    assignment = Assignment(role="administrator", division="341182000000", valid_from=datetime.now(UTC))
    return Caller(user_id=phone.user, name="bench", kind="cli", assignments=(assignment,))


# Items -----------------------------------------------------------------------------------------------------


async def _fill(services: Services, numbers: Sequence[int], each: int, author: UUID) -> None:
    """A thousand items a grid, two of five dwellings, two residents of one, one event; sealed as any other."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in bulk.COLUMNS}
    vault, now = Vault(services.keyring, services.catalogue), datetime.now(UTC)
    by_stream: defaultdict[str, list[ItemState]] = defaultdict(list)
    for number in numbers:
        for item, secret, wrapped in _items(vault, services, number, each, author, now):
            clear, sealed = vault.close_fields(item, secret)
            values = msgspec.structs.asdict(item) | {"rev": signed64(item.rev), "clear": clear, "sealed": sealed}
            tables["item"].append(values)
            tables["item_key"].append({"item_id": item.id, "wrapped": wrapped})
            for key in stream_keys(item):
                by_stream[key].append(item)

    async def work(tx: Any) -> None:
        streams = [
            {"key": key, "head": len(held), "digest": signed64(digest(map(_hash, held)))}
            for key, held in by_stream.items()
        ]
        ids = await bulk.begin_streams(tx.connection, streams)
        for key, held in by_stream.items():
            tables["feed"].extend(_entry(ids[key], place, item) for place, item in enumerate(held, 1))
        await bulk.copy_rows(tx.connection, tables)

    await services.database.write(work)


def _items(
    vault: Vault, services: Services, number: int, each: int, author: UUID, now: datetime
) -> Iterator[tuple[ItemState, bytes, bytes]]:
    """Spread over the grid, none on the line along which it is split."""
    place, dwelling = ground(number), ""
    (west, south), (_, _), (east, north) = place.ring[0], place.ring[1], place.ring[2]
    forms = {code: form(code) for code in set(_TYPES)}
    keys = vault.new_keys([UUID(int=secrets.randbits(128)) for _ in range(each)])
    for at, (item_id, key) in enumerate(keys.items()):
        code = _TYPES[at % len(_TYPES)]
        share = ((at * 7) % each + 0.3) / each
        point = {"lon": round(west + (east - west) * share, 6), "lat": round((south + north) / 2, 6)}
        spot = {"location": point | {"crs": "wgs84", "accuracy": 8.0, "provider": "gps"}}
        fields = forms[code] | ({"dwelling": dwelling} if code == "0101" else spot)
        dwelling = str(item_id) if code == "0102" else dwelling
        compiled = services.catalogue.types[code]
        item = ItemState(
            id=item_id,
            type=code,
            grid_id=place.id,
            stream_class=compiled.stream,
            author_id=author,
            in_own_stream=False,
            version=1,
            rev=0,
            touch=0,
            deleted=False,
            urgency="normal",
            fields=fields,
            captured_at=now,
            received_at=now,
            updated_at=now,
        )
        yield replace(item, rev=revision_rev(key.secret, item)), key.secret, key.wrapped


def _hash(item: ItemState) -> int:
    return entry_hash(item.id, item.version, item.rev, item.touch)


def _entry(stream_id: int, position: int, item: ItemState) -> dict[str, Any]:
    return {
        "stream_id": stream_id,
        "object_id": item.id,
        "kind": "item",
        "position": position,
        "present": True,
        "absent_since": None,
        "version": item.version,
        "rev": signed64(item.rev),
        "touch": item.touch,
        "hash": signed64(_hash(item)),
    }


def _plan(grids: int) -> PlanFiles:
    """The first half of the grids is split along the middle, the others are merged in pairs."""
    operations: list[dict[str, Any]] = []
    features: list[dict[str, Any]] = []
    for number in range(grids // 2):
        one = ground(number)
        (west, south), (east, north) = one.ring[0], one.ring[2]
        middle = (west + east) / 2
        into: list[dict[str, str]] = []
        for half, (left, right) in enumerate(((west, middle), (middle, east)), 1):
            code = f"{one.code[:12]}{100 + 2 * int(one.code[12:]) + half:03}"
            into.append({"code": code, "name": f"半 {half}"})
            ring = [[left, south], [right, south], [right, north], [left, north], [left, south]]
            shape = {"type": "Polygon", "coordinates": [ring]}
            features.append({"type": "Feature", "properties": {"code": code}, "geometry": shape})
        operations.append({"split": one.code, "into": into})
    for number in range(grids // 2, grids - 1, 2):
        pair = [ground(number).code, ground(number + 1).code]
        operations.append(
            {"merge": pair, "into": {"code": f"{pair[0][:12]}{200 + int(pair[0][12:]):03}", "name": "合"}}
        )
    plan = {"registry": "1", "crs": "wgs84", "outlines": "plan.geojson", "operations": operations}
    drawing = {"type": "FeatureCollection", "features": features}
    return PlanFiles(json.dumps(plan).encode(), json.dumps(drawing).encode())


# The command -----------------------------------------------------------------------------------------------


def main() -> int:
    """Print the report as JSON; exit status 1 where a plan takes over 60 s or a push waited for over 200 ms."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.registry_change", description=__doc__)
    parser.add_argument("--grids", type=int, default=200)
    parser.add_argument("--items", type=int, default=1000, help="in each grid")
    parser.add_argument("--phones", type=int, default=4)
    asked = parser.parse_args()
    report = prove(asked.grids, asked.items, asked.phones, lambda line: print(line, file=sys.stderr))
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    return 0 if report.plan_seconds < 60 and report.lock_p999_ms < 200 else 1


if __name__ == "__main__":
    sys.exit(main())
