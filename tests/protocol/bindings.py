"""Values that a server makes anew each time, and the names that golden files give them.

A golden file holds, in place of each such value, a stand-in of the same form and length. Each value has one stand-in
wherever it recurs, and each stand-in one value; so a file can be replayed against any server, and recording it again
gives the same file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from hashlib import sha256
from operator import xor
from typing import Any
from uuid import UUID

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

# Kind -> (what a server's value looks like, its stand-in, what a stand-in looks like).
KINDS: dict[str, tuple[str, str, str]] = {
    "id": (_UUID, "00000000-0000-4000-8000-{n:012d}", r"00000000-0000-4000-8000-[0-9]{12}"),
    "time": (
        r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:.]{8,15}Z",
        "2001-01-01T{hours:02d}:{minutes:02d}:{seconds:02d}Z",
        r"2001-01-01T[0-9:]{8}Z",
    ),
    "rev": (r"[0-9a-f]{16}", "5e5e5e{n:010d}", r"5e5e5e[0-9]{10}"),
    "access": (r"[A-Za-z0-9_-]{22}", "access-{n:015d}", r"access-[0-9]{15}"),
    "refresh": (r"[A-Za-z0-9_-]{48}", "refresh-{n:040d}", r"refresh-[0-9]{40}"),
    "ticket": (r"[A-Za-z0-9_-]{100}", "ticket-{n:093d}", r"ticket-[0-9]{93}"),
    "epoch": (r"[A-Za-z0-9_-]{12}", "epoch-{n:06d}", r"epoch-[0-9]{6}"),
    "mark": (r"[A-Za-z0-9_-]{27}", "mark-{n:022d}", r"mark-[0-9]{22}"),
    "code": (r"[0-9A-Z]{12}", "CODE{n:08d}", r"CODE[0-9]{8}"),
    "url": (r"http://127\.0\.0\.1:[0-9]+/\S+", "https://photos.example/{n}", r"https://photos\.example/[0-9]+"),
    "location": (
        rf"/v1/uploads/{_UUID}",
        "/v1/uploads/00000000-0000-4000-8001-{n:012d}",
        r"/v1/uploads/00000000-0000-4000-8001-[0-9]{12}",
    ),
    "etag": (r'"[^"]{8,}"', '"etag-{n}"', r'"etag-[0-9]+"'),
}
_STREAM = re.compile(rf"(grid|restricted)/({_UUID})")
_BY_KEY = ("access", "refresh", "ticket", "epoch", "mark", "url", "rev", "etag", "location")
_BY_FORM = ("id", "time")


class Mismatch(AssertionError):
    """The answer is not the one of the golden file; the text says where."""


class Bindings:
    """Stand-ins and the values they stand for, in both directions."""

    def __init__(self, literal: Iterable[str] = ()) -> None:
        self.values: dict[str, str] = {}
        self.stand_ins: dict[str, str] = {}
        self._literal = set(literal)
        self._said = ""
        self._counts: dict[str, int] = {}

    def bind(self, stand_in: str, value: str) -> None:
        """From now on the one is the other."""
        if self.values.setdefault(stand_in, value) != value or self.stand_ins.setdefault(value, stand_in) != stand_in:
            raise Mismatch(f"{stand_in} is not what it was before")

    def heard(self, text: str) -> None:
        """What a client says itself is no value of the server."""
        self._said += text

    # Recording ---------------------------------------------------------------------------------------------

    def stand_in(self, key: str, value: str) -> str:
        """The stand-in of a value found under `key`, or the value itself where it is the same every time."""
        if value in self.stand_ins:
            return self.stand_ins[value]
        if stream := _STREAM.fullmatch(value):
            return f"{stream[1]}/{self.stand_in(key, stream[2])}"
        kind = self._kind(key, value)
        if kind is None or value in self._literal or value in self._said:
            return value
        number = self._counts[kind] = self._counts.get(kind, 0) + 1
        hours, minutes, seconds = number // 3600, number // 60 % 60, number % 60
        made = KINDS[kind][1].format(n=number, hours=hours, minutes=minutes, seconds=seconds)
        self.bind(made, value)
        return made

    def _kind(self, key: str, value: str) -> str | None:
        if key == "code" and re.fullmatch(KINDS["code"][0], value):
            return "code"
        kinds = [key] if key in _BY_KEY else list(_BY_FORM)
        return next((kind for kind in kinds if re.fullmatch(KINDS[kind][0], value)), None)

    # Replaying ---------------------------------------------------------------------------------------------

    def meet(self, where: str, expected: str, found: Any) -> None:
        """Hold a value against the golden one. Raises Mismatch."""
        stream, other = _STREAM.fullmatch(expected), _STREAM.fullmatch(str(found))
        if stream and other and stream[1] == other[1]:
            self.meet(where, stream[2], other[2])
            return
        if expected in self.values:
            if found != self.values[expected]:
                raise Mismatch(f"{where}: {found!r} is not the {expected} of before")
            return
        kind = next((kind for kind, form in KINDS.items() if re.fullmatch(form[2], expected)), None)
        if kind is None:
            if found != expected:
                raise Mismatch(f"{where}: {found!r} instead of {expected!r}")
            return
        if not isinstance(found, str) or not re.fullmatch(KINDS[kind][0], found):
            raise Mismatch(f"{where}: {found!r} has not the form of {expected}")
        self.bind(expected, found)


def replaced(raw: bytes, by: Mapping[str, str]) -> bytes:
    """Bytes with every key replaced by its value, the longest first."""
    if not by:
        return raw
    keys = sorted((key.encode() for key in by), key=len, reverse=True)
    pattern = re.compile(b"|".join(map(re.escape, keys)))
    return pattern.sub(lambda found: by[found[0].decode()].encode(), raw)


def plain(value: Any) -> Any:
    """A decoded MessagePack value as JSON would show it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return {key: plain(one) if isinstance(key, str) else one.hex() for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return str(UUID(bytes=value)) if len(value) == 16 else value.hex()
    return value


def packed(shown: Any, sent: Any) -> Any:
    """What `plain` made of a decoded MessagePack value, with stand-ins in it, spelled as that value was."""
    if isinstance(sent, dict):
        return {key: packed(shown[key], one) for key, one in sent.items()}
    if isinstance(sent, list):
        return [packed(one, other) for one, other in zip(shown, sent, strict=True)]
    if isinstance(sent, datetime):
        return datetime.fromisoformat(shown)
    return bytes.fromhex(shown.replace("-", "")) if isinstance(sent, bytes) else shown


class Memberships:
    """What each device holds in each stream, to compute digests by docs/protocol.md and nothing else."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], dict[str, int]] = {}

    def take(self, device: str, answer: dict[str, Any]) -> None:
        """Take an answer's pages in, and put the digest of the memberships into each page that has one."""
        for stream in [*answer.get("gained", []), *answer.get("lost", [])]:
            self._held.pop((device, stream), None)
        for page in answer.get("streams", []):
            held = self._held.setdefault((device, page["stream"]), {})
            for entry in page["entries"]:
                held.pop(entry["id"], None)
                if "item" in entry or "notice" in entry:
                    held[entry["id"]] = entry_hash(entry)
            if "digest" in page:
                page["digest"] = f"{reduce(xor, held.values(), 0):016x}"


def entry_hash(entry: dict[str, Any]) -> int:
    """Section 5 of docs/protocol.md, word for word."""
    packed = UUID(entry["id"]).bytes + entry["version"].to_bytes(8, "big")
    packed += int(entry["rev"], 16).to_bytes(8, "big") + entry["touch"].to_bytes(8, "big")
    return int.from_bytes(sha256(packed).digest()[:8], "big")
