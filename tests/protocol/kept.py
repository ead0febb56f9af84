"""What bad input must leave behind: everything as it was, or bytes that are kept and a counter that advanced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.protocol.live import LiveServer
from tests.protocol.rawphone import RawPhone, compact, create

TABLES = (
    "item", "revision", "change_set", "forked_set", "quarantine", "conflict", "notice", "feed",
    "review", "cases", "evidence", "evidence_link", "upload", "device", "session",
)  # fmt: skip


@contextmanager
def nothing_stored(server: LiveServer) -> Iterator[None]:
    """No row appears in any table and no counter moves."""
    before = server.counts(*TABLES), last_numbers(server)
    yield
    assert (server.counts(*TABLES), last_numbers(server)) == before


def last_numbers(server: LiveServer) -> dict[str, int]:
    rows = server.sql("SELECT device_id, last_no FROM counter WHERE last_no > 0")
    return {str(row["device_id"]): row["last_no"] for row in rows}


def is_kept(server: LiveServer, phone: RawPhone, no: int, raw: bytes, outcome: str, code: str) -> None:
    """The whole set's bytes are there as they came, held for a person under that code."""
    assert server.kept_bytes(phone.id, no) == [raw]
    held = server.sql("SELECT * FROM quarantine WHERE device_id = $1 AND set_no = $2", phone.id, no)
    assert [(row["set_index"], row["outcome"], row["code"], row["state"]) for row in held] == [
        (None, outcome, code, "held")
    ]
    assert server.value("SELECT count(*) FROM revision WHERE device_id = $1 AND set_no = $2", phone.id, no) == 0


def a_good_set_still_applies(phone: RawPhone) -> dict[str, Any]:
    """The phone goes on as if nothing had been."""
    (outcome,) = phone.push(create("0102"))["outcomes"]
    assert outcome["outcome"] == "applied"
    return outcome


def a_good_set(phone: RawPhone, no: int) -> bytes:
    """The bytes of a set with one new item."""
    return compact(phone.change_set([create("0102")], no=no))
