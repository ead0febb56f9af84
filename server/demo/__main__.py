"""`python -m server.demo --data DIR --base-url URL`: fill the database that the environment names with the demo."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from server.demo.city import whole_city
from server.demo.fill import fill
from server.demo.telling import Teller
from server.services import open_services
from server.settings import Settings


async def _main(data: Path, base_url: str) -> None:
    teller = Teller()
    with teller.shown():
        teller.now("网格 grids")
        city = whole_city()
        async with open_services(Settings.from_env(os.environ)) as services:
            await fill(services, data, base_url, city, teller)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m server.demo")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base-url", required=True)
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.data, arguments.base_url))
