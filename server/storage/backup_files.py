"""A backup on disk: a folder of its own, made beside the others under another name and named when it is whole.

onegrid-backup-20260401T020000.000Z/
    manifest.json        what it is, and size and SHA-256 of the other files
    database.dump        pg_dump, custom format, without keys
    <table>.copy.zst     tables of which columns are left out, as COPY writes them
    objects.jsonl.zst    every object of the store: key, size, etag
keys-<epoch>.onegrid     beside all of them: the keys as they were last (`server.storage.key_file`)
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import zstandard
from msgspec import Struct

from server.embedded.folder import sync_folder, write_private

_PREFIX, _UNFINISHED = "onegrid-backup-", ".unfinished-"
_CHUNK = 1 << 20
FORMAT = 1


class NoBackup(Exception):
    """There is no whole backup here; the text says which file is missing, altered or not understood."""


class Part(Struct, frozen=True):
    """A file of a backup."""

    name: str
    size: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup is.

    `apart`: columns of the tables that stand in files of their own; `objects`, `object_bytes`: the object store then.
    """

    format: int
    program: str
    at: datetime
    postgres: int
    schema: str
    epoch: str
    epoch_seq: int
    tables: dict[str, int]
    apart: dict[str, list[str]]
    objects: int
    object_bytes: int
    parts: list[Part]


class BackupFolder:
    """One backup, finished or being made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dump = path / "database.dump"
        self.objects = path / "objects.jsonl.zst"

    @property
    def name(self) -> str:
        """Its name among the others."""
        return self.path.name

    def table(self, table: str) -> Path:
        """The file of a table that is copied apart."""
        return self.path / f"{table}.copy.zst"

    def manifest(self) -> Manifest:
        """Raises NoBackup for one that is missing or of another format."""
        try:
            found = msgspec.json.decode((self.path / "manifest.json").read_bytes(), type=Manifest)
        except (OSError, msgspec.MsgspecError):
            raise NoBackup("manifest.json") from None
        if found.format != FORMAT:
            raise NoBackup(f"manifest.json: format {found.format}")
        return found

    def check(self, manifest: Manifest) -> None:
        """Read every file again. Raises NoBackup naming the first that is not what it was."""
        for part in manifest.parts:
            if not (self.path / part.name).is_file() or self._part(self.path / part.name) != part:
                raise NoBackup(part.name)

    def parts(self) -> list[Part]:
        """The files that are there."""
        return [self._part(file) for file in sorted(self.path.iterdir())]

    def finish(self, manifest: Manifest) -> BackupFolder:
        """Write the manifest and take the name that a whole backup has."""
        write_private(self.path / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
        whole = self.path.with_name(self.path.name.replace(_UNFINISHED, _PREFIX))
        self.path.rename(whole)
        sync_folder(whole.parent)
        return BackupFolder(whole)

    def discard(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _part(self, file: Path) -> Part:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256")
            os.fsync(content.fileno())
        return Part(file.name, file.stat().st_size, digest.hexdigest())


def begin(folder: Path, at: datetime) -> BackupFolder:
    """A new backup among the others of this folder, readable by its owner alone; leftovers of broken ones go."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob(f"{_UNFINISHED}*"):
        BackupFolder(left).discard()
    path = folder / f"{_UNFINISHED}{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}Z"
    path.mkdir(mode=0o700)
    draft = BackupFolder(path)
    draft.dump.touch(mode=0o600)
    return draft


def whole_backups(folder: Path) -> list[BackupFolder]:
    """The finished backups of a folder, newest first."""
    return [BackupFolder(path) for path in sorted(folder.glob(f"{_PREFIX}*"), reverse=True)]


async def write_table(file: Path, parts: AsyncIterator[bytes]) -> None:
    """Write rows as they come, compressed."""
    with private_zstd(file) as out:
        async for part in parts:
            out.write(part)


async def read_table(file: Path) -> AsyncIterator[bytes]:
    """The rows that `write_table` wrote."""
    with file.open("rb") as source, zstandard.ZstdDecompressor().stream_reader(source) as reader:
        while chunk := reader.read(_CHUNK):
            yield chunk


@contextmanager
def private_zstd(file: Path) -> Generator[Any]:
    """A compressed file that only its owner may read."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as raw, zstandard.ZstdCompressor().stream_writer(raw, closefd=False) as out:
        yield out
