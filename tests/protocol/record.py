"""`python -m tests.protocol.record [NAME …]`: speak the conversations against fresh servers and write the golden files.

Recording again without a change of the server changes no file, so what `git diff` shows is what the server changed.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from server.db.migrate import upgrade
from server.embedded.services import running
from tests.protocol.conversation import GOLDEN, Talk, write
from tests.protocol.conversations import CONVERSATIONS
from tests.protocol.live import administer, fresh_server, named

TEMPLATE = "template_golden"


def main() -> None:
    wanted = sys.argv[1:] or [one.__name__ for one in CONVERSATIONS]
    with tempfile.TemporaryDirectory(prefix="onegrid-golden-") as folder, running(Path(folder, "data")) as environ:
        url = environ["ONEGRID_DATABASE_URL"]
        asyncio.run(administer(url, f'CREATE DATABASE "{TEMPLATE}"'))
        upgrade(named(url, TEMPLATE))
        for hold in [one for one in CONVERSATIONS if one.__name__ in wanted]:
            with fresh_server(environ, TEMPLATE) as server:
                talk = Talk(server)
                hold(talk)
                write(hold.__name__, hold.__doc__ or "", talk.steps)
                sys.stderr.write(f"{GOLDEN.name}/{hold.__name__}.json: {len(talk.steps)} steps\n")


if __name__ == "__main__":
    main()
