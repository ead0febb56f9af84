"""Where tests keep databases of theirs that nobody has to find again: in memory where there is plenty of it.

A database is hundreds of files. On a disk, making and dropping one takes longer than most tests; in memory it takes no
time, though every setting stays the product's. What is about the disk itself, or about what is left of a killed server,
keeps its folder on the disk.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made there is its owner's alone
_PLENTY = 4 * 2**30
_PREFIX = "onegrid-tests-"


@contextmanager
def passing_folder() -> Iterator[Path]:
    """A folder for the services of one test process, gone when the block ends."""
    place = _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _PLENTY else None
    if place:
        _sweep(place)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place) as folder:
        yield Path(folder)


def _sweep(place: Path) -> None:
    """Give back the memory of test processes that were killed: nobody holds the lock of their folders any more."""
    for lock in place.glob(f"{_PREFIX}*/data/lock"):
        if lock.read_bytes() and _nobody_holds(lock):
            shutil.rmtree(lock.parents[1], ignore_errors=True)


def _nobody_holds(lock: Path) -> bool:
    with lock.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
