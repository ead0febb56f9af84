"""The photos of the history: a few for every quarter of a day, shared by all that shows one, and truly in the store."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, time, timedelta
from itertools import groupby
from random import Random
from typing import NamedTuple

from server.db import evidence
from server.db.database import Transaction
from server.demo.history.moments import CITY_TIME, DAYS
from server.made_up.forms.scene import Camera
from server.made_up.photos import Photo, take_photo
from server.services import Services
from server.storage import photos
from server.storage.photos import Identity
from server.usecases.evidence import photo_key, thumbnail_key

_EACH_TIME = 4
_AT_ONCE = 4
# By a camera that was told to keep places to itself. The newest is never older than six hours, so that what shows it
# may have been on its way for six more: beyond twelve a reviewer is told that the times differ.
_TAKEN_AT = (time(0, 45), time(6, 45), time(12, 45), time(18, 45))


class Picture(NamedTuple):
    """A photo without its bytes; `taken_at`: what its camera says."""

    sha256: str
    size: int
    taken_at: datetime


class Album:
    """The pictures by the moment at which they were taken."""

    def __init__(self, pictures: Iterable[Picture]) -> None:
        ordered = sorted(pictures, key=_taken_at)
        groups = [(at, list(taken)) for at, taken in groupby(ordered, _taken_at)]
        self._moments, self._taken = [at for at, _ in groups], [taken for _, taken in groups]
        self.taken_at = {(one.sha256, one.size): one.taken_at for one in ordered}

    def choose(self, rng: Random, at: datetime, besides: Collection[str] = ()) -> Picture:
        """One of the newest pictures at that moment (aware), none of those `besides` (by their hash)."""
        newest = self._taken[bisect_right(self._moments, at) - 1]
        return rng.choice([one for one in newest if one.sha256 not in besides])

    def camera(self) -> Camera:
        """In place of `take_photo`, for one form: the newest pictures, each once, whose bytes nobody needs here."""
        shown: list[str] = []

        def take(rng: Random, _: str, taken_at: datetime, __: object) -> Photo:
            one = self.choose(rng, taken_at, shown)
            shown.append(one.sha256)
            return Photo(one.sha256, one.size, b"")

        return take


class Taken(NamedTuple):
    """A picture with its bytes, and what the server reads in them."""

    picture: Picture
    data: bytes
    found: photos.Photo


def take_pictures(now: datetime, seed: int) -> list[Taken]:
    """The pictures of all days before `now` (aware), examined as those that phones send."""
    rng = Random(f"{seed}/pictures")
    return [_take(rng, moment) for moment in picture_moments(now) for _ in range(_EACH_TIME)]


def picture_moments(now: datetime) -> list[datetime]:
    """When pictures were taken before `now` (aware), the newest day first."""
    today = now.astimezone(CITY_TIME).date()
    days = (today - timedelta(days=back) for back in range(DAYS + 3))
    moments = (datetime.combine(day, clock, CITY_TIME) for day in days for clock in _TAKEN_AT)
    return [moment for moment in moments if moment < now]


def _taken_at(picture: Picture) -> datetime:
    return picture.taken_at


def _take(rng: Random, at: datetime) -> Taken:
    photo = take_photo(rng, "OneGrid demo", at, None)
    found = photos.examine(photo.data, Identity(bytes.fromhex(photo.sha256), photo.size))
    return Taken(Picture(photo.sha256, photo.size, at), photo.data, found)


async def enter(tx: Transaction, taken: Sequence[Taken]) -> None:
    """Enter the pictures as verified; nobody is shown one before `store` is done too."""
    known = [{"sha256": one.picture.sha256, "size": one.picture.size} for one in taken]
    await evidence.declare_photos(tx.connection, known)
    for one in taken:
        await evidence.set_photo_verified(
            tx.connection,
            bytes.fromhex(one.picture.sha256),
            one.picture.size,
            media_type=one.found.media_type,
            width=one.found.width,
            height=one.found.height,
            taken_at=one.found.taken_at,
            place=None,
        )


async def store(services: Services, taken: Sequence[Taken]) -> None:
    """Put the bytes where verified ones lie, a few at a time."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def put(one: Taken) -> None:
        sha256, size = bytes.fromhex(one.picture.sha256), one.picture.size
        async with places:
            await services.objects.write(photo_key(sha256, size), one.data, one.found.media_type)
            await services.objects.write(thumbnail_key(sha256, size), one.found.thumbnail, "image/jpeg")

    await asyncio.gather(*map(put, taken))
