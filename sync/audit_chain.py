"""The audit trail's chains: how rows, links and seals are hashed, and how a chain is checked.

Each link's hash is SHA-256 over the one before, so that nothing in a chain can be altered, removed or put in without
every later hash changing. Rows of a trail say neither names nor values of items, so erasing an item breaks no chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from schemas.auditing import AuditRow, Break, BreakKind, ChainLink, SetRow

START = bytes(32)
"""What the first link of a chain and the first seal come after."""

SYSTEM = "system"

Entry = AuditRow | SetRow
"""What is linked: a row of the trail, or a change set."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def chain_of(row: Entry) -> str:
    """The chain that a row belongs to: of the person who acted, else of the device concerned, else the system's.

    A change set belongs to its device.
    """
    if isinstance(row, SetRow):
        return f"device/{row.device_id}"
    if row.actor_id is not None:
        return f"user/{row.actor_id}"
    return f"device/{row.subject_id}" if row.subject_kind == "device" else SYSTEM


def row_hash(row: Entry) -> bytes:
    """Over everything that a row or set says."""
    return hashlib.sha256(_encode(row)).digest()


def link_hash(previous: bytes, chain: str, seq: int, hashed_row: bytes) -> bytes:
    """Over the link before, the place in the chain, and the row."""
    return hashlib.sha256(_encode([previous.hex(), chain, seq, hashed_row.hex()])).digest()


def links_hash(hashes: Iterable[bytes]) -> bytes:
    """Over the links of one seal in their places."""
    return hashlib.sha256(b"".join(hashes)).digest()


def seal_hash(previous: bytes, no: int, epoch: str, sealed_at: datetime, links: int, over: bytes) -> bytes:
    """Over the seal before, and what this one seals."""
    return hashlib.sha256(_encode([previous.hex(), no, epoch, sealed_at, links, over.hex()])).digest()


class Chains:
    """Links chains on, or checks them, from the place that each had come to: its last number and hash."""

    def __init__(self, heads: dict[str, tuple[int, bytes]] | None = None) -> None:
        self._heads = heads or {}

    def link(self, row: Entry) -> ChainLink:
        """The next link of the row's chain."""
        chain, over = chain_of(row), row_hash(row)
        seq, previous = self._heads.get(chain, (0, START))
        made = link_hash(previous, chain, seq + 1, over)
        self._heads[chain] = (seq + 1, made)
        if isinstance(row, AuditRow):
            return ChainLink(chain=chain, seq=seq + 1, audit_id=row.id, row_hash=over, hash=made)
        return ChainLink(
            chain=chain,
            seq=seq + 1,
            device_id=row.device_id,
            epoch=row.epoch,
            set_no=row.set_no,
            row_hash=over,
            hash=made,
        )

    def check(self, link: ChainLink, row: Entry | None) -> Iterator[Break]:
        """What is wrong with a link that is given after all links before it of its chain, and with its row."""
        yield from check_row(link, row)
        seq, previous = self._heads.get(link.chain, (0, START))
        self._heads[link.chain] = (link.seq, link.hash)
        if link.seq > seq + 1:
            for lost in range(seq + 1, link.seq):
                yield Break(kind="link_removed", chain=link.chain, seq=lost)
        elif link.seq <= seq or link.hash != link_hash(previous, link.chain, link.seq, link.row_hash):
            yield at_link("link_altered", link)


def check_row(link: ChainLink, row: Entry | None) -> Iterator[Break]:
    """Whether a row or set is still what was linked."""
    is_set = link.set_no is not None
    if row is None:
        yield at_link("set_removed" if is_set else "row_removed", link)
    elif row_hash(row) != link.row_hash or chain_of(row) != link.chain:
        yield at_link("set_altered" if is_set else "row_altered", link)


def at_link(kind: BreakKind, link: ChainLink, seal: int | None = None) -> Break:
    """Something that is wrong at this link."""
    return Break(kind=kind, chain=link.chain, seq=link.seq, audit_id=link.audit_id, set_no=link.set_no, seal=seal)
