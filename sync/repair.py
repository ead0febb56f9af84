"""Comparing what two sides hold of a stream, in bytes that grow with the difference and not with the stream.

An object's *bucket* is the last byte of its id, its *part* of the bucket the upper half of the byte before; both are
random in a UUIDv7. A *place* is `16 * bucket + part`. The digest of a place or a bucket is the XOR of the hashes of
the entries there (`sync.feed.entry_hash`), 8 bytes big-endian, 0 when empty. What differs is told by its hashes; a
bucket of many entries is narrowed down to its parts first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import xor
from struct import pack, unpack
from typing import NamedTuple
from uuid import UUID

from schemas.wire import Repair

BUCKETS, PARTS = 256, 16
LISTED = 64
"""A bucket of at most so many entries is told by their hashes at once: 512 bytes, as much as comparing its parts costs
with the trip that this takes."""

_HASH_BYTES = 8


class Place(NamedTuple):
    """What stands at one place: the digest of its entries, unsigned, and how many there are."""

    digest: int
    entries: int


class Difference(NamedTuple):
    """What the other side is told: the digests of the parts of buckets, and the hashes behind some keys."""

    finer: dict[int, bytes]
    listed: list[int]


def place_of(object_id: UUID) -> int:
    """The place of an object, 0 to 4095."""
    return (object_id.int & 0xFF) * PARTS + (object_id.int >> 12 & 0xF)


def digests_of(entries: Iterable[tuple[UUID, int]]) -> dict[int, int]:
    """The digests of all places at which there is something, from (id, entry hash)."""
    digests: dict[int, int] = {}
    for object_id, hashed in entries:
        place = place_of(object_id)
        digests[place] = digests.get(place, 0) ^ hashed
    return digests


def bucket_digests(digests: Mapping[int, int]) -> bytes:
    """The 256 digests of the buckets, 2,048 bytes, from those of the places."""
    return pack(f">{BUCKETS}Q", *(reduce(xor, _parts(digests, bucket)) for bucket in range(BUCKETS)))


def part_digests(digests: Mapping[int, int], bucket: int) -> bytes:
    """The 16 digests of a bucket's parts, 128 bytes, from those of the places."""
    return pack(f">{PARTS}Q", *_parts(digests, bucket))


def differing(mine: bytes, theirs: bytes) -> list[int]:
    """Which of the digests that follow one another here and there are not the same."""
    pairs = enumerate(zip(unpack_hashes(mine), unpack_hashes(theirs), strict=True))
    return [index for index, (one, other) in pairs if one != other]


def compare(asked: Repair, places: Mapping[int, Place]) -> Difference:
    """What to tell a device that asks so, when `places` is what stands here."""
    digests = {place: one.digest for place, one in places.items()}
    finer: dict[int, bytes] = {}
    listed: list[int] = []
    for bucket in differing(asked.buckets, bucket_digests(digests)) if asked.buckets else []:
        if sum(places[place].entries for place in places_behind(bucket) if place in places) <= LISTED:
            listed.append(bucket)
        else:
            finer[bucket] = part_digests(digests, bucket)
    for bucket, theirs in asked.finer.items():
        parts = differing(theirs, part_digests(digests, bucket))
        listed += [BUCKETS + bucket * PARTS + part for part in parts]
    return Difference(finer, listed)


def places_behind(key: int) -> range:
    """The places that a key of `Repaired.hashes` stands for: those of a whole bucket, or the one of a part."""
    if key < BUCKETS:
        return range(key * PARTS, (key + 1) * PARTS)
    return range(key - BUCKETS, key - BUCKETS + 1)


def pack_hashes(hashes: Sequence[int]) -> bytes:
    """Hashes one after the other."""
    return pack(f">{len(hashes)}Q", *hashes)


def unpack_hashes(packed: bytes) -> tuple[int, ...]:
    """The hashes in these bytes."""
    return unpack(f">{len(packed) // _HASH_BYTES}Q", packed)


def _parts(digests: Mapping[int, int], bucket: int) -> list[int]:
    return [digests.get(bucket * PARTS + part, 0) for part in range(PARTS)]
