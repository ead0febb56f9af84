"""What must hold after a kill, looked up behind the server's back: each check returns what is wrong, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from schemas.wire import Receipt
from server.simulate.check import diverged, duplicated, lost
from server.simulate.ledger import Ledger
from server.simulate.look_sql import Beginning, SqlView
from server.simulate.truth import holding_of
from tests.proof.crew import Walker

# Run by the server's own connections, in each transaction that keeps a receipt, when it is about to commit.
WATCH = """
CREATE TABLE proof_commit (device_id uuid, no bigint, synchronous_commit text, fsync text, PRIMARY KEY (device_id, no));
CREATE FUNCTION proof_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO proof_commit
    VALUES (NEW.device_id, NEW.no, current_setting('synchronous_commit'), current_setting('fsync'));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER proof_note AFTER INSERT ON change_set DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION proof_note();
"""


class _Line(Struct):
    event: str


async def last_numbers(truth: asyncpg.Connection) -> dict[UUID, int]:
    """By device the number up to which its sets were decided."""
    return {row["device_id"]: row["last_no"] for row in await truth.fetch("SELECT device_id, last_no FROM counter")}


async def receipts_are_there(truth: asyncpg.Connection, crew: Iterable[Walker]) -> list[str]:
    """I1: every receipt that was ever read is stored as it was read."""
    wrong: list[str] = []
    for walker in crew:
        rows = await truth.fetch("SELECT no, receipt::text FROM change_set WHERE device_id = $1", walker.device_id)
        kept = {row["no"]: msgspec.json.decode(row["receipt"], type=Receipt) for row in rows}
        for no, said in walker.receipts.items():
            if kept.get(no) != msgspec.msgpack.decode(said, type=Receipt):
                wrong.append(f"I1: receipt {walker.device_id}/{no} is gone or another")
    return wrong


async def effects_are_single(truth: asyncpg.Connection) -> list[str]:
    """I2: each change has one revision at most, each number one set, and the counter is the last of them."""
    twice = await truth.fetch(
        "SELECT device_id, set_no, set_index FROM revision GROUP BY device_id, epoch, set_no, set_index "
        "HAVING count(*) > 1"
    )
    apart = await truth.fetch(
        "SELECT c.device_id, c.last_no, count(s.no) AS sets, max(s.no) AS highest FROM counter c "
        "LEFT JOIN change_set s USING (device_id, epoch) GROUP BY c.device_id, c.last_no "
        "HAVING count(s.no) <> c.last_no OR coalesce(max(s.no), 0) <> c.last_no"
    )
    astray = await truth.fetch(
        "SELECT r.device_id, r.set_no FROM revision r LEFT JOIN change_set s ON s.device_id = r.device_id "
        "AND s.epoch = r.epoch AND s.no = r.set_no WHERE r.device_id IS NOT NULL AND s.no IS NULL"
    )
    return [
        *(f"I2: two revisions of change {tuple(row)}" for row in twice),
        *(f"I2: counter and sets differ: {tuple(row)}" for row in apart),
        *(f"I2: a revision without the receipt of its set: {tuple(row)}" for row in astray),
    ]


async def commits_waited_for_the_disk(truth: asyncpg.Connection) -> list[str]:
    """Each transaction that kept a receipt was durable before it was visible."""
    rows = await truth.fetch(
        "SELECT s.device_id, s.no, p.synchronous_commit, p.fsync FROM change_set s "
        "LEFT JOIN proof_commit p USING (device_id, no) "
        "WHERE (p.synchronous_commit, p.fsync) IS DISTINCT FROM ('on', 'on')"
    )
    return [f"I1: committed without waiting for the disk: {tuple(row)}" for row in rows]


async def at_rest(
    truth: asyncpg.Connection, view: SqlView, began: Beginning, ledger: Ledger, crew: Sequence[Walker]
) -> list[str]:
    """I2, I5 and I6 when everything was sent and pulled: counters, values and digests against the ledger."""
    found, wanted = await view.look(ledger, {walker.device_id: walker.person.id for walker in crew}, began)
    findings = [*lost(ledger, found), *duplicated(ledger, found)]
    for walker in crew:
        findings += diverged(walker.device_id, holding_of(walker.device), wanted[walker.device_id])
    numbers = await last_numbers(truth)
    wrong = [f"{one.what}: {one.about}: {one.why}" for one in findings]
    for walker in crew:
        if numbers.get(walker.device_id) != ledger.last_no[walker.device_id]:
            wrong.append(f"counter of {walker.device_id} is not what its ledger says")
        if len(walker.receipts) != ledger.last_no[walker.device_id]:
            wrong.append(f"{walker.device_id} lacks receipts")
        if walker.device.repairs:
            wrong.append(f"{walker.device_id} had to compare {walker.device.repairs} times")
    quarantined = await truth.fetch("SELECT device_id, set_no, code FROM quarantine")
    wrong += [f"I9: a good set in quarantine: {tuple(row)}" for row in quarantined]
    texts = {item: head.fields.get("remark", "") for item, head in found.heads.items()}
    return wrong + list(_twice(crew, texts))


async def receipts_are_told_again(crew: Iterable[Walker]) -> list[str]:
    """I2: every set that was ever sent, sent again, gets the receipt that it had."""
    wrong: list[str] = []
    for walker in crew:
        for first in range(1, len(walker.raws) + 1, 50):
            for receipt in await walker.ask_again(first, 50):
                if walker.receipts.get(receipt.no) != msgspec.msgpack.encode(receipt):
                    wrong.append(f"I2: {walker.device_id}/{receipt.no} got another receipt when it was sent again")
    return wrong


def errors_of_its_own(log: Iterable[str]) -> list[str]:
    """I9: that the database was away is no error of the server; whatever else it logs as one is."""
    return [f"I9: it logged {event}" for event in map(_logged, log) if event not in (None, "part_unavailable")]


def _logged(line: str) -> str | None:
    """What a line of the log is about; None where a process was killed while it wrote."""
    if line.startswith("Traceback"):
        return line
    try:
        return msgspec.json.decode(line, type=_Line).event
    except msgspec.DecodeError:
        return None


def _twice(crew: Iterable[Walker], texts: dict[UUID, str]) -> Iterator[str]:
    """No appended words stand in a text twice, as an effect that came twice would have left them."""
    for walker in crew:
        for item, word in walker.tokens:
            if texts.get(item, "").count(word) > 1:
                yield f"I2: words appended by {walker.device_id} to {item} stand there more than once"
