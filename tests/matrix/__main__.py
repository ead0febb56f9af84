"""`python -m tests.matrix`: walks the matrix in services of its own and prints docs/permissions.md."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import asyncpg

from server.app import create_app
from server.db.migrate import upgrade
from server.embedded.services import running
from server.settings import Settings
from tests.matrix.page import page
from tests.matrix.walk import Report, walk


async def _walked(settings: Settings) -> Report:
    app = create_app(settings)
    async with app.lifespan():
        await app.state.services.objects.ensure_bucket()
        database = await asyncpg.connect(settings.database_url)
        try:
            return await walk(app, database)
        finally:
            await database.close()


def main() -> int:
    """Print the page; 1 and what was found if an answer was not as it has to be."""
    with tempfile.TemporaryDirectory(prefix="onegrid-matrix-") as folder, running(Path(folder, "data")) as environ:
        settings = Settings.from_env(environ | {"ONEGRID_LOG_LEVEL": "error"})
        upgrade(environ["ONEGRID_DATABASE_URL"])
        report = asyncio.run(_walked(settings))
    sys.stderr.write("\n".join([*report.failures, report.summary, ""]))
    if not report.failures:
        sys.stdout.write(page(report))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
