"""`python -m server.embedded`: the supervisor as a program of its own, small because it imports little.

`onegrid up` becomes this program after it has read its options, which arrive as settings in the environment.
"""

import os
import sys
from collections.abc import Mapping

from server.embedded.supervisor import Options, Supervisor
from server.embedded.words import StartError, say, write
from server.settings import Settings, SettingsError


def _required(environ: Mapping[str, str]) -> list[str]:
    """What goes with an external service; several servers on one database must share one master key."""
    names = ["master_key"] if environ.get("ONEGRID_DATABASE_URL") else []
    return [*names, "s3_access_key", "s3_secret_key"] if environ.get("ONEGRID_S3_ENDPOINT") else names


def main(arguments: list[str]) -> int:
    """Exit status; a refusal is one sentence on stderr and status 1."""
    options = Options(demo="--demo" in arguments, once="--once" in arguments)
    try:
        settings = Settings.from_env(os.environ, required=_required(os.environ))
        return Supervisor(settings, options).run()
    except (StartError, SettingsError) as error:
        write(2, f"onegrid: {error}\n")
    except OSError as error:
        what = f"{error.strerror or error} {error.filename or ''}".strip()
        say(f"系统拒绝了操作（{what}），服务器已停止", f"the system refused ({what}), so the server stops")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
