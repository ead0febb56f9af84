"""The dictionary that server and phones share, and the coding `dcz` made with it (RFC 9842).

A body in `dcz` is 8 fixed bytes and the dictionary's SHA-256, which together are a frame that zstd skips, then a zstd
frame (RFC 8878) compressed with the dictionary as raw content. The file holds made-up forms alone; how it was made is
in `server/bench/exchange/train.py`.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from importlib import resources

import zstandard

_MAGIC = bytes.fromhex("5e2a4d1820000000")
_HEAD = len(_MAGIC) + 32
_SMALL_BYTES = 64 * 1024
_LEVEL_OF_SMALL, _LEVEL = 9, 6
"""A few changes are worth the work; in a large page the dictionary hardly counts, and the time does."""


@cache
def content() -> bytes:
    """The dictionary itself, as it is offered."""
    return (resources.files("server") / "data" / "exchange.dictionary").read_bytes()


@cache
def digest() -> bytes:
    """SHA-256 of the dictionary: its name."""
    return hashlib.sha256(content()).digest()


@cache
def available() -> str:
    """What a client that holds this dictionary sends as `Available-Dictionary`: a byte sequence (RFC 9651)."""
    return f":{b64encode(digest()).decode()}:"


def compress(body: bytes) -> bytes:
    """The body in `dcz`."""
    level = _LEVEL_OF_SMALL if len(body) < _SMALL_BYTES else _LEVEL
    return _MAGIC + digest() + _compressor(level).compress(body)


def decompress(coded: bytes, limit: int) -> bytes:
    """At most `limit` bytes of what was compressed. Raises zstandard.ZstdError: another dictionary, or damaged."""
    if coded[:_HEAD] != _MAGIC + digest():
        raise zstandard.ZstdError("made with another dictionary")
    return zstandard.ZstdDecompressor(dict_data=_raw()).stream_reader(coded[_HEAD:]).read(limit)


@cache
def _compressor(level: int) -> zstandard.ZstdCompressor:
    """One for the process: requests are answered by one thread."""
    ready = _raw()
    ready.precompute_compress(level=level)
    return zstandard.ZstdCompressor(level=level, dict_data=ready)


def _raw() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(content(), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
