"""`pg_dump` and `pg_restore` of the embedded PostgreSQL, on any database that they are new enough for."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from server.embedded.part import plain_environ
from server.embedded.postgres import programs

NEWEST = 18
"""The newest PostgreSQL, by its main version, that these programs know."""


class ToolFailed(Exception):
    """The program gave up; the text is the first line of what it said."""


async def dump(url: str, snapshot: str, left_out: list[str], file: Path) -> None:
    """Dump a database as an exported snapshot sees it, without the rows of the tables `left_out`. Raises ToolFailed."""
    without = [f"--exclude-table-data=public.{table}" for table in left_out]
    await _run("pg_dump", url, "--format=custom", "--no-owner", f"--snapshot={snapshot}", *without, f"--file={file}")


async def restore(url: str, section: str, file: Path) -> None:
    """Put one section of a dump into a database: pre-data, data or post-data. Raises ToolFailed."""
    await _run("pg_restore", url, "--no-owner", "--no-privileges", "--exit-on-error", f"--section={section}", str(file))


async def _run(program: str, url: str, *arguments: str) -> None:
    address, password = _without_password(url)
    process = await asyncio.create_subprocess_exec(
        str(programs() / program),
        f"--dbname={address}",
        *arguments,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        env=plain_environ(**{name: value for name, value in os.environ.items() if name.startswith("PG")} | password),
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise ToolFailed((said.decode("utf-8", "replace").splitlines() or [f"{program} {process.returncode}"])[0])


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """A command line is seen by everybody on the machine, so the password goes another way."""
    parts = urlsplit(url)
    if parts.password is None:
        return url, {}
    account, _, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{account.partition(':')[0]}@{place}")), {
        "PGPASSWORD": unquote(parts.password)
    }
