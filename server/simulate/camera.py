"""The photos of one phone: taken, declared, uploaded on a bad network, verified."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from random import Random
from typing import Any

import msgspec

from schemas.evidence import DeclarationAnswer, DeclaredPhoto, UploadedAnswer, WayIn
from schemas.wire import EvidenceState
from server.made_up.photos import Photo, take_photo
from server.simulate.link import BrokenError
from server.simulate.net import Refused
from server.simulate.phone import Phone

_AT_ONCE = 50
_RESUMED = 0.4
"""So many photos go in appends; the others are PUT whole."""
_APPENDS = 5


class Camera:
    """`album`: the bytes of photos that the phone still keeps, by `sha256-size`; `verified`: those that arrived."""

    def __init__(self, phone: Phone) -> None:
        self.album: dict[str, bytes] = {}
        self.verified: set[str] = set()
        self._phone = phone
        self._sent: set[str] = set()

    @property
    def unverified(self) -> int:
        """How many photos that were sent are not yet known to have been verified."""
        return len(self._sent - self.verified) + len(self._phone.device.photos_to_send())

    def take(self, rng: Random, caption: str, taken_at: datetime, at: tuple[float, float] | None) -> Photo:
        """As `take_photo`, but no other phone and no other run ever takes the same: its bytes have to be sent."""
        return take_photo(Random(f"{rng.random()}/{self._phone.device_id}"), caption, taken_at, at)

    def give_up(self) -> None:
        """The server takes no photos of this phone any more; those that it never got are gone with the phone."""
        self._phone.device.give_up_photos()
        self._sent.clear()

    async def send(self) -> None:
        """Declare what the server waits for and send what it has not got."""
        waiting = {f"{own.sha256}-{own.size}" for own in self._phone.device.photos_to_send()}
        for keys in _batches(sorted(waiting)):
            declared = await self._declare(keys)
            ways = [(photo, photo.upload) for photo in declared if photo.upload is not None]
            whole = [(photo, way) for photo, way in ways if not await self._resumed(photo, way)]
            await self._tell([str(way.id) for photo, way in whole if await self._upload(photo, way)])

    async def ask(self) -> None:
        """Ask how far the photos that were sent have come."""
        for keys in _batches(sorted(self._sent - self.verified)):
            await self._declare(keys)

    async def _declare(self, keys: Sequence[str]) -> list[DeclaredPhoto]:
        photos = [{"sha256": key[:64], "size": int(key[65:])} for key in keys]
        body = msgspec.json.encode({"photos": photos})
        answer = msgspec.json.decode(await self._phone.link.post("/v1/evidence", body), type=DeclarationAnswer)
        hopeless = {_key(photo): photo.code for photo in answer.photos if photo.code is not None}
        self._sent = self._sent.union(keys) - hopeless.keys()
        self._note(answer.photos)
        self._phone.device.note_hopeless_photos(hopeless)
        return answer.photos

    async def _resumed(self, photo: DeclaredPhoto, way: WayIn) -> bool:
        """Send the bytes in appends, cut once in a while and gone on with; False where they are to be PUT instead."""
        if self._phone.luck.dice("append_cut").random() >= _RESUMED:
            return False
        data, path = self.album[_key(photo)], f"/v1/uploads/{way.id}"
        at, step = await self._phone.link.offset(path), -(-len(data) // _APPENDS)
        while at < len(data):
            at = await self._append(path, at, data[at : at + step])
        self._phone.device.note_photos([EvidenceState(photo.sha256, photo.size, "report", "stored")])
        return True

    async def _append(self, path: str, at: int, content: bytes) -> int:
        """How many bytes the server has afterwards: what came of an append that was cut, at most."""
        link = self._phone.link
        if not self._phone.luck.strikes("append_cut"):
            try:
                return await link.append(path, at, content)
            except Refused as refused:
                # What was cut before has come to its end only now.
                if refused.code != "upload_offset_differs":
                    raise
                return await link.offset(path)
        await link.append_half(path, at, content)
        reached = await link.offset(path)
        if not at <= reached < at + len(content):
            raise BrokenError("an append that was cut counts otherwise than it came")
        return reached

    async def _upload(self, photo: DeclaredPhoto, way: WayIn) -> bool:
        """PUT the bytes; cut once in a while, and then said to have arrived although they have not."""
        data = self.album[_key(photo)]
        if self._phone.luck.strikes("upload_cut"):
            await self._phone.link.net.put_cut(way.url, data)
            await self._tell([str(way.id)])
        return await self._phone.link.net.put(way.url, data)

    async def _tell(self, uploads: Sequence[str]) -> None:
        if uploads:
            body = msgspec.json.encode({"uploads": uploads})
            said = await self._phone.link.post("/v1/evidence/uploaded", body)
            self._note(msgspec.json.decode(said, type=UploadedAnswer).photos)

    def _note(self, photos: Iterable[Any]) -> None:
        for photo in photos:
            if photo.state == "verified":
                self.verified.add(_key(photo))
                self.album.pop(_key(photo), None)
        self._phone.device.note_photos(
            EvidenceState(photo.sha256, photo.size, "report", photo.state) for photo in photos
        )


def _key(photo: Any) -> str:
    return f"{photo.sha256}-{photo.size}"


def _batches(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE))
