"""Checking an exported audit trail by itself: no database, no keys, only the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from schemas.auditing import AuditLine, Break, ChainLink
from server.errors import Problem
from server.sealing import is_signed
from server.storage.audit_files import NoTrail, read_trail
from sync.audit_chain import at_link, check_row, link_hash

_MOST_NAMED = 200


class FileVerified(Struct, frozen=True, kw_only=True):
    """What the file holds and what is wrong with it.

    `public_key`: who signed it; the auditor compares it with what `onegrid audit verify` shows at the installation.
    """

    rows: int
    links: int
    chains: int
    public_key: str | None
    breaks: list[Break]
    more: int


def verify_file(path: Path) -> FileVerified:
    """Check every row, chain and the signature. Raises Problem: trail_unreadable; OSError."""
    check = _FileCheck()
    try:
        found = [one for line, written in read_trail(path) for one in check.take(line, written)]
    except NoTrail as error:
        raise Problem("trail_unreadable") from error
    found += check.ended()
    return FileVerified(
        rows=check.rows,
        links=check.links,
        chains=len(check.heads),
        public_key=check.public_key,
        breaks=found[:_MOST_NAMED],
        more=max(0, len(found) - _MOST_NAMED),
    )


class _FileCheck:
    def __init__(self) -> None:
        self.rows = 0
        self.links = 0
        self.heads: dict[str, tuple[int, str]] = {}
        self.public_key: str | None = None
        self._digest = hashlib.sha256()

    def take(self, line: AuditLine, written: bytes) -> Iterator[Break]:
        if self.public_key is not None:
            yield Break(kind="file_altered")
        elif line.kind == "end":
            yield from self._end(line)
        else:
            self._digest.update(written)
            if line.kind != "about":
                yield from self._link(line)

    def ended(self) -> list[Break]:
        return [] if self.public_key is not None else [Break(kind="file_cut")]

    def _end(self, line: AuditLine) -> Iterator[Break]:
        self.public_key = line.public_key or ""
        digest = self._digest.digest()
        signature, key = bytes.fromhex(line.signature or ""), bytes.fromhex(self.public_key)
        if line.digest != digest.hex() or not is_signed(key, digest, signature):
            yield Break(kind="file_altered")

    def _link(self, line: AuditLine) -> Iterator[Break]:
        link, previous = _link_of(line), bytes.fromhex(line.previous or "")
        self.rows, self.links = self.rows + (line.kind == "row"), self.links + (line.kind == "link")
        if line.kind == "row":
            yield from check_row(link, line.row)
        seq, before = self.heads.get(link.chain, (link.seq - 1, line.previous))
        self.heads[link.chain] = (link.seq, link.hash.hex())
        for lost in range(seq + 1, link.seq):
            yield Break(kind="link_removed", chain=link.chain, seq=lost)
        whole = link.hash == link_hash(previous, link.chain, link.seq, link.row_hash)
        if not whole or (link.seq == seq + 1 and line.previous != before) or link.seq <= seq:
            yield at_link("link_altered", link)


def _link_of(line: AuditLine) -> ChainLink:
    return ChainLink(
        chain=line.chain or "",
        seq=line.seq or 0,
        audit_id=line.row.id if line.row else None,
        row_hash=bytes.fromhex(line.row_hash or ""),
        hash=bytes.fromhex(line.hash or ""),
    )
