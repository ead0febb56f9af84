"""Arithmetic of a stream's feed: entry hashes, digests, marks, and the two spellings of a 64-bit value.

In memory a 64-bit value is an unsigned int, on the wire 16 lower-case hexadecimal digits, in the database
a signed bigint with the same bits.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from functools import reduce
from hashlib import sha256
from operator import xor
from struct import pack
from uuid import UUID

ENDS_WHEN_SEEN = frozenset({"released"})
"""The codes of notices that tell of something done and ask for nothing: each ends once its reader has put it away."""

_BITS = 1 << 64


def entry_hash(object_id: UUID, version: int, rev: int, touch: int) -> int:
    """The unsigned 64-bit hash of one present feed entry.

    First 8 bytes, big-endian, of SHA-256 over: 16 bytes of the id, then `version`, `rev` and `touch` as u64, each
    big-endian.
    """
    packed = object_id.bytes + pack(">QQQ", version, rev, touch)
    return int.from_bytes(sha256(packed).digest()[:8], "big")


def digest(hashes: Iterable[int]) -> int:
    """The order-free digest of a stream: XOR over the hashes of its present entries, 0 without any."""
    return reduce(xor, hashes, 0)


def to_hex(value: int) -> str:
    """An unsigned 64-bit value as it travels."""
    return f"{value:016x}"


def from_hex(text: str) -> int:
    """The unsigned 64-bit value of its wire form."""
    return int(text, 16)


def signed64(value: int) -> int:
    """An unsigned 64-bit value as the database's bigint."""
    return value - _BITS if value >= _BITS >> 1 else value


def unsigned64(value: int) -> int:
    """The unsigned 64-bit value behind a database bigint."""
    return value % _BITS


def make_mark(epoch: str, catalogue: str, positions: Mapping[str, int], directives: Iterable[UUID] = ()) -> str:
    """One small text that stands for all that a device was told: 27 URL-safe characters.

    It holds a fingerprint of the epoch, the catalogue's version, the set of stream keys and the directives that are
    open, and the sum of the positions. Positions only grow and never exceed the heads, so for one set of streams equal
    sums mean equal ones.
    """
    named = "\n".join([epoch, catalogue, *sorted(positions), *sorted(map(str, directives))])
    fingerprint = sha256(named.encode()).digest()[:12]
    return urlsafe_b64encode(fingerprint + pack(">Q", sum(positions.values()))).rstrip(b"=").decode()
