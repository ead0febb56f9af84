"""Which user PostgreSQL runs as: it refuses root, and users that the machine has no name for."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from server.embedded.part import Command, plain_environ, start
from server.embedded.words import StartError


def choose(program: Path, folder: Path, lock: int) -> str:
    """The first identity that can run `program` in `folder`, which is handed to it with all it holds.

    An ordinary user stays the same. Root becomes an ordinary user of a new user namespace, for whom files still
    belong to root; where namespaces are not permitted (many containers), or folders above belong to somebody
    else, it becomes `nobody`, with root's power to pass folders. A user without a name, as containers are given,
    takes one in a namespace. Raises StartError where none of it is possible.
    """
    for identity, owner in _candidates():
        _hand_over(folder, owner)
        if identity == "same" or _works(identity, program, folder, lock):
            return identity
    raise StartError(
        "PostgreSQL 不能以 root 或无名用户运行，且本机不允许换用其他身份：请以普通用户运行 onegrid up",
        "PostgreSQL does not run as root or as a user without a name, and this machine permits no other "
        "identity: run onegrid up as an ordinary user",
    )


def _candidates() -> Iterator[tuple[str, int]]:
    """Identities, best first, each with the owner that its files have outside of a namespace."""
    own = os.geteuid()
    named = [user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0]
    if own in named:
        yield "same", own
        return
    if named:
        yield f"namespace:{named[0]}", own
    if named and own == 0:
        nobody = _nobody() or named[0]
        yield f"user:{nobody}", nobody


def _nobody() -> int | None:
    with suppress(KeyError):
        return pwd.getpwnam("nobody").pw_uid
    return None


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
