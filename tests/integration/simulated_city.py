"""A whole server with the demo city, and simulations run against it as a person would run them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from server.demo.city import one_street
from server.demo.fill import fill
from server.embedded.connection import connection
from server.services import open_services
from server.settings import Settings
from tests.integration.up_process import WHOLE, running_up
from tests.memory import passing_folder

_PATIENCE = 300


class City(NamedTuple):
    """Where the city is served, and the folder that holds its data."""

    url: str
    data: Path

    @property
    def demo_file(self) -> Path:
        return self.data / "demo.json"

    def settings(self) -> Settings:
        """What leads to the city's services."""
        return Settings.from_env(connection(self.data))


class Ran(NamedTuple):
    """How a simulation ended; `figures` is the one document on stdout, empty where there was none."""

    status: int
    figures: dict[str, Any]
    told: str


@contextmanager
def served_city() -> Iterator[City]:
    """The demo city, served until the block ends, when its data are gone."""
    with passing_folder() as folder, running_up(folder / "data", command=WHOLE, ONEGRID_LOG_LEVEL="error") as up:
        city = City(up.address, folder / "data")
        asyncio.run(_fill(city))
        yield city


def simulate(city: City, *flags: str, demo_file: Path | None = None) -> Ran:
    """Run `onegrid simulate --json` against the city."""
    command = [sys.executable, "-P", "-m", "server.cli", "simulate", "--url", city.url, "--json"]
    command += ["--demo-file", str(demo_file or city.demo_file), *flags]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEGRID_")}
    environ = clean | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environ, capture_output=True, timeout=_PATIENCE, check=False)
    figures = msgspec.json.decode(done.stdout) if done.stdout else {}
    return Ran(done.returncode, figures, done.stderr.decode())


async def _fill(city: City) -> None:
    async with open_services(city.settings()) as services:
        await fill(services, city.data, city.url, one_street())
