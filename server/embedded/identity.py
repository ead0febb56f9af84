"""Which user PostgreSQL runs as: it refuses root, so root needs to lend it another identity."""

import os
import shutil
import subprocess
from pathlib import Path

from server.embedded.part import Command, plain_environ, start
from server.embedded.words import StartError

_NOBODY = 65534
_CANDIDATES = (("namespace", 0), (f"user:{_NOBODY}", _NOBODY))


def choose(program: Path, folder: Path, lock: int) -> str:
    """The first identity that can run `program` in `folder`, which is handed to it with all it holds.

    An ordinary user stays the same. Root becomes an ordinary user of a new user namespace, for whom files
    still belong to root; where namespaces are not permitted (many containers), or folders above belong to
    somebody else, it becomes `nobody`, with root's power to pass folders. Raises StartError where neither is possible.
    """
    if os.geteuid() != 0:
        return "same"
    for identity, owner in _CANDIDATES:
        _hand_over(folder, owner)
        if _works(identity, program, folder, lock):
            return identity
    raise StartError(
        "PostgreSQL 不能以 root 运行，且本机不允许换用其他身份：请以普通用户运行 onegrid up",
        "PostgreSQL does not run as root and this machine lets root take no other identity: "
        "run onegrid up as an ordinary user",
    )


def _hand_over(folder: Path, owner: int) -> None:
    if folder.stat().st_uid == owner:
        return
    for parent, _, files in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in files)):
            shutil.chown(path, owner, owner)


def _works(identity: str, program: Path, folder: Path, lock: int) -> bool:
    command = Command(
        arguments=[str(program), "--version"],
        folder=folder,
        environ=plain_environ(),
        identity=identity,
        log=Path(os.devnull),
        stdout=subprocess.DEVNULL,
    )
    return start(command, lock).wait() == 0
