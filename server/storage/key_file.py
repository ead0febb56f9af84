"""The key file beside the backups: every key that they leave out, encrypted under the master key.

There is one for each epoch that backups are kept of, replaced each time: a key that was destroyed since is in no newer
one. It is a line in clear (format, the
master key's fingerprint, an id drawn for the file), then frames: 4 bytes of length and a sealed MessagePack pair of
section and bytes. A frame is bound to its file and place, and the last one is empty, so that none can be left out,
moved or taken from an older file. The first frame says when the keys were read.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Sequence
from datetime import datetime
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from server.sealing import MasterKey, Sealer, Unsealable
from server.storage.export_files import PrivateFile

_PREFIX, _SUFFIX = "keys-", ".onegrid"
_MAGIC = "onegrid-keys-1"
_LONGEST_FRAME = 16 * 1024 * 1024
_ABOUT, _END = "about", ""


class KeysUnreadable(Exception):
    """The file is damaged, or no key file."""


class OtherMasterKey(Exception):
    """The file was made under a master key that is not among the given ones; the text is its fingerprint."""


class About(Struct, frozen=True, kw_only=True):
    """When the keys were read, and in which epoch."""

    at: datetime
    epoch: str


def key_file(folder: Path, epoch: str) -> Path:
    """Where the keys of an epoch's backups lie."""
    return folder / f"{_PREFIX}{epoch}{_SUFFIX}"


def key_files(folder: Path) -> dict[str, Path]:
    """Every key file of a folder of backups, by epoch."""
    return {file.name[len(_PREFIX) : -len(_SUFFIX)]: file for file in folder.glob(f"{_PREFIX}*{_SUFFIX}")}


class KeyFileWriter:
    """Writes the key file of an epoch beside its place in `folder`, which it takes at `publish`."""

    def __init__(self, folder: Path, master: MasterKey, about: About) -> None:
        self._private = PrivateFile(key_file(folder, about.epoch))
        self._sealer, self._id, self._place = Sealer.of(master.key_file_secret()), secrets.token_hex(8), 0
        self._file: BufferedWriter = self._private.beside.open("wb")
        self._file.write(f"{_MAGIC} {master.fingerprint()} {self._id}\n".encode())
        self.add(_ABOUT, msgspec.msgpack.encode(about))

    @property
    def path(self) -> Path:
        """Where it lies until it is published."""
        return self._private.beside

    def add(self, section: str, data: bytes) -> None:
        """One more frame of a section."""
        sealed = self._sealer.seal(_owner(self._id, self._place), msgspec.msgpack.encode((section, data)))
        self._file.write(len(sealed).to_bytes(4) + sealed)
        self._place += 1

    def finish(self) -> None:
        """Nothing more is added."""
        self.add(_END, b"")
        self._file.close()

    def publish(self) -> None:
        """Put it in the place of the one before."""
        self._private.publish()

    def discard(self) -> None:
        """Leave nothing behind of a file that was not published."""
        self._file.close()
        self._private.discard()


class KeyFile:
    """A finished key file. Raises KeysUnreadable and OtherMasterKey when it is opened."""

    def __init__(self, path: Path, masters: Sequence[MasterKey]) -> None:
        self._path = path
        self._masters = {master.fingerprint(): master for master in masters}
        self.about = self._about()

    def frames(self) -> Generator[tuple[str, bytes]]:
        """Section and bytes of each frame; raises KeysUnreadable where one was altered or is missing."""
        frames = self._all_frames()
        next(frames)
        for section, data in frames:
            if section != _END:
                yield section, data

    def _about(self) -> About:
        for _, data in self._all_frames():
            return msgspec.msgpack.decode(data, type=About)
        raise KeysUnreadable

    def _all_frames(self) -> Generator[tuple[str, bytes]]:
        """Every frame, the first and the empty last one included."""
        with self._path.open("rb") as file:
            sealer, name = self._opened(file)
            place, section = 0, _ABOUT
            while section != _END:
                section, data = self._frame(file, sealer, _owner(name, place))
                place += 1
                yield section, data

    def _opened(self, file: BufferedReader) -> tuple[Sealer, str]:
        try:
            magic, fingerprint, name = file.readline(256).decode("ascii").split()
        except (UnicodeDecodeError, ValueError):
            raise KeysUnreadable from None
        if magic != _MAGIC:
            raise KeysUnreadable
        if fingerprint not in self._masters:
            raise OtherMasterKey(fingerprint)
        return Sealer.of(self._masters[fingerprint].key_file_secret()), name

    def _frame(self, file: BinaryIO, sealer: Sealer, owner: bytes) -> tuple[str, bytes]:
        size = int.from_bytes(file.read(4))
        if not 0 < size <= _LONGEST_FRAME:
            raise KeysUnreadable
        try:
            return msgspec.msgpack.decode(sealer.unseal(owner, file.read(size)), type=tuple[str, bytes])
        except (Unsealable, msgspec.MsgspecError):
            raise KeysUnreadable from None


def _owner(name: str, place: int) -> bytes:
    return f"keys/{name}/{place}".encode()
