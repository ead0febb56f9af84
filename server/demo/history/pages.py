"""What a chronicle holds, as rows of the tables: the same rows that the server would have written one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from server.db import bulk
from server.db.database import Transaction
from server.demo.history.chronicle import Chronicle, Life
from server.demo.history.pictures import Album
from server.services import Services
from server.usecases.claiming import fill_claims
from server.usecases.feeding import FeedWrite, feed_row, writes_for_item, writes_for_notices
from server.usecases.searching import terms_of
from server.usecases.standing_rows import case_row
from server.usecases.standings import submission_row
from server.usecases.storing import item_row
from sync.evidence import Claim, compare_claim
from sync.feed import digest, signed64, unsigned64
from sync.items import ItemState

Rows = list[dict[str, Any]]


class _Moved(NamedTuple):
    """When an object's entries last moved in its streams."""

    at: datetime
    write: FeedWrite


class Page:
    """The rows of some chronicles, by table."""

    def __init__(self, services: Services, album: Album) -> None:
        self.items = 0
        self._services, self._album = services, album
        self._rows: dict[str, Rows] = {table: [] for table in bulk.COLUMNS}
        self._heads: list[ItemState] = []
        self._moved: defaultdict[str, list[_Moved]] = defaultdict(list)

    def add(self, chronicle: Chronicle) -> None:
        """All lives of a chronicle, in the order in which they began."""
        for life in sorted(chronicle.lives.values(), key=lambda one: one.id):
            self._add(life)
        self.items += len(chronicle.lives)

    def _add(self, life: Life) -> None:
        rows, item, catalogue = self._rows, life.item, self._services.catalogue
        compiled = life.standing.compiled
        community = self._services.registry.community(item.grid_id)
        rows["item_key"].append({"item_id": item.id, "wrapped": life.key.wrapped})
        rows["item"].append(item_row(life.loaded, item))
        self._heads.append(item)
        rows["revision"] += life.revisions
        rows["evidence_link"] += self._links(life)
        rows["review"].append(submission_row(self._services, life.standing, life.review, life.reviewed_at))
        rows["review_step"] += _numbered(life.review_steps)
        if life.standing.case is not None:
            case = case_row(item.id, life.case, catalogue.source, life.key.secret, life.case_at)
            rows["cases"].append(case | {"reopened_at": life.reopened_at})
            rows["case_step"] += _numbered(life.case_steps)
        terms = terms_of(self._services.keyring, compiled, item.fields, community)
        rows["item_search"].append({"item_id": item.id, "terms": terms})
        self._move(life)

    def _links(self, life: Life) -> Iterator[dict[str, Any]]:
        claimed_at = {one["version"]: one["captured_at"] for one in life.revisions}
        for (sha256, size, role), (linked_at, version) in life.photos.items():
            claim = Claim(claimed_at[version] if version is not None else linked_at)
            yield {
                "item_id": life.id,
                "sha256": bytes.fromhex(sha256),
                "size": size,
                "role": role,
                "version": version,
                "flags": compare_claim(self._album.taken_at[sha256, size], None, claim),
                "linked_at": linked_at,
            }

    def _move(self, life: Life) -> None:
        for write in writes_for_item(None, life.item):
            self._moved[write.stream].append(_Moved(life.stirred_at, write))
        for notice, noticed_at in life.notices.values():
            self._rows["notice"].append(notice)
            for write in writes_for_notices([notice]):
                self._moved[write.stream].append(_Moved(noticed_at, write))

    async def write(self, tx: Transaction) -> None:
        """Put everything into the tables; none of its streams may be there yet."""
        entries = {key: list(_entries(moved)) for key, moved in sorted(self._moved.items())}
        ids = await bulk.begin_streams(tx.connection, [_stream(key, own) for key, own in entries.items()])
        feed = [entry | {"stream_id": ids[key]} for key, own in entries.items() for entry in own]
        await bulk.copy_rows(tx.connection, self._rows | {"feed": feed})
        await fill_claims(tx, self._services, self._heads)


def _entries(moved: Iterable[_Moved]) -> Iterator[dict[str, Any]]:
    """The entries of a stream: those that moved last stand last."""
    ordered = sorted(moved, key=lambda one: (one.at, one.write.object_id))
    for place, one in enumerate(ordered, 1):
        yield feed_row(one.write, 0) | {"position": place, "absent_since": None if one.write.present else one.at}


def _stream(key: str, entries: Rows) -> dict[str, Any]:
    hashes = digest(unsigned64(one["hash"]) for one in entries)
    return {"key": key, "head": len(entries), "digest": signed64(hashes)}


def _numbered(steps: Rows) -> Iterator[dict[str, Any]]:
    return (step | {"seq": seq} for seq, step in enumerate(steps, 1))
