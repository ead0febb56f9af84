"""Appending to an upload (tus 1.0.0, PATCH): what comes is laid in the store piece by piece, and counts once committed.

A piece is an object of its own under a name that no other append gives. The upload's row lists the pieces that count;
an append changes that list only if it is as it was read, so of two at once one wins, and the other's pieces are
nobody's. Nothing is kept in the process or on its disk from one request to the next. The last append stores the upload
in the same transaction, and the check of the photo reads the pieces.

Many small appends make few objects: a last piece that is small is read again and laid anew together with what follows.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from server.db import evidence, uploads
from server.db.database import Row, Transaction
from server.errors import Problem
from server.services import Services
from server.storage.objects import ObjectMissing
from server.usecases.evidence import store
from server.usecases.photo_checks import discard
from server.usecases.sessions import Caller
from server.usecases.uploads import Progress, own, progress_of, resumable_until

PIECE_BYTES = 256 * 1024
"""What is held in memory of one append before it is laid in the store."""
SMALL_BYTES = 64 * 1024
"""A last piece below this is laid anew with what follows, so that an upload has at most size / SMALL_BYTES + 1."""
_SECONDS_HELD = 2.0
"""What came is laid down after this time even if it is little: a phone that moved to another cell leaves a connection
behind that nobody closes, and goes on by a new one."""
_MEDIA_TYPE = "application/octet-stream"


class BodyCut(Exception):
    """The body of an append ended before its time."""


class Checksum(NamedTuple):
    """What the body of an append has to amount to; `algorithm` is a name that `hashlib` knows."""

    algorithm: str
    digest: bytes


async def append(
    services: Services,
    caller: Caller,
    upload_id: UUID,
    offset: int,
    body: AsyncIterator[bytes],
    checksum: Checksum | None = None,
    length: int | None = None,
) -> Progress:
    """Add `body` to the caller's upload, of which `offset` bytes have come; `length`: how long it says that it is.

    `body` raises BodyCut where it is broken off, and yields nothing (b"") now and then while nothing comes. What came
    of it until then is kept, with a checksum only if all of it came and agrees.

    Raises Problem: not_found, upload_ended, upload_offset_differs, upload_exceeds_length, upload_checksum_differs; and
    BodyCut.
    """
    upload = await own(services, caller, upload_id)
    if progress_of(upload).received != offset:
        raise Problem("upload_offset_differs")
    if offset + (length or 0) > upload["size"]:
        raise Problem("upload_exceeds_length")
    coming = _Coming(services, upload, offset, checksum)
    try:
        async for chunk in body:
            await coming.take(chunk)
        await coming.end()
    except BodyCut:
        await coming.cut()
        raise
    except Problem:
        await coming.discard()
        raise
    return coming.progress()


class _Coming:
    """One append: what it has taken, and the list of pieces as it is in the database and as it is to be.

    `_touched`: pieces of either list, and those that stood in one of them for a moment.
    """

    def __init__(self, services: Services, upload: Row, offset: int, checksum: Checksum | None) -> None:
        self._services = services
        self._upload = upload
        self._checksum = checksum
        self._hash = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        self._end = offset
        self._held = bytearray()
        self._held_since = 0.0
        self._kept: list[str] = list(upload["pieces"])
        self._pieces = list(self._kept)
        self._touched = set(self._kept)
        self._tail: int = upload["tail"]

    async def take(self, chunk: bytes) -> None:
        """Take what comes next."""
        if self._end + len(chunk) > self._upload["size"]:
            raise Problem("upload_exceeds_length")
        if not self._held:
            self._held_since = monotonic()
        self._held += chunk
        self._end += len(chunk)
        if self._hash is not None:
            self._hash.update(chunk)
        if len(self._held) >= PIECE_BYTES or (self._held and monotonic() - self._held_since >= _SECONDS_HELD):
            await self._lay_down()

    async def end(self) -> None:
        """All of it has come."""
        if self._checksum and self._hash and self._hash.digest() != self._checksum.digest:
            raise Problem("upload_checksum_differs")
        await self._lay_down()
        await self._commit()

    async def cut(self) -> None:
        """Nothing more will come."""
        if self._checksum is None:
            await self.end()
        else:
            await self.discard()

    async def discard(self) -> None:
        """Remove the pieces that do not count."""
        await discard(self._services, self._keys(self._touched - set(self._kept)))

    def progress(self) -> Progress:
        """How far the upload has come by this."""
        upload, whole = self._upload, self._end == self._upload["size"]
        until = None if whole else resumable_until(self._services)
        return Progress(upload["id"], upload["sha256"], upload["size"], self._end, until)

    async def _lay_down(self) -> None:
        if not self._held:
            return
        pieces, data = list(self._pieces), bytes(self._held)
        if pieces and self._tail < SMALL_BYTES:
            data = await self._last(pieces.pop()) + data
        piece = f"{self._end - len(data)}-{secrets.token_hex(4)}"
        self._touched.add(piece)
        await self._services.objects.write(self._key(piece), data, _MEDIA_TYPE)
        self._held.clear()
        self._pieces, self._tail = [*pieces, piece], len(data)
        if self._checksum is None:
            await self._commit()

    async def _last(self, piece: str) -> bytes:
        """The bytes of the last piece; where it is gone for good, the upload begins again from its first byte."""
        try:
            return await self._services.objects.read(self._key(piece), SMALL_BYTES)
        except ObjectMissing:
            upload_id, kept = self._upload["id"], self._kept
            await self._services.database.write(lambda tx: uploads.restart_upload(tx.connection, upload_id, kept))
            raise Problem("upload_offset_differs") from None

    async def _commit(self) -> None:
        if self._pieces == self._kept:
            return
        await self._services.database.write(self._grow)
        self._kept = list(self._pieces)
        await self.discard()
        self._touched = set(self._kept)

    async def _grow(self, tx: Transaction) -> None:
        upload, whole = self._upload, self._end == self._upload["size"]
        if whole:
            # Photos are locked before their uploads.
            photos = [{"sha256": upload["sha256"], "size": upload["size"]}]
            await evidence.lock_items_of_photos(tx.connection, photos)
            await evidence.lock_photos(tx.connection, photos)
        grown = await uploads.grow_upload(
            tx.connection,
            upload["id"],
            self._kept,
            self._pieces,
            tail=self._tail,
            received=self._end,
            expires_at=resumable_until(self._services),
        )
        if not grown:
            raise Problem("upload_offset_differs")
        if whole:
            await store(tx, self._services, [upload])

    def _key(self, piece: str) -> str:
        return f"{self._upload['object_key']}.{piece}"

    def _keys(self, pieces: set[str]) -> list[str]:
        return [self._key(piece) for piece in sorted(pieces)]
