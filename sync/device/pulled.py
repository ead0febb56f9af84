"""The pulled layer: streams, memberships and bodies, exactly as the feeds tell."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from schemas.wire import Cursor, Entry, ItemBody, NoticeBody, StreamPage
from sync import feed
from sync.device.state import Held, State, StreamState


def apply_page(state: State, page: StreamPage) -> set[UUID]:
    """Takes one page of a stream; returns the objects that lost a membership."""
    stream = state.streams.setdefault(page.stream, StreamState())
    if page.reset:
        begin_refill(stream)
    dropped: set[UUID] = set()
    for entry in page.entries:
        _apply_entry(state, stream, entry, dropped)
    stream.cursor = page.cursor
    if not page.more:
        dropped |= _end_refill(stream)
    return dropped


def agrees(stream: StreamState, page: StreamPage) -> bool:
    """Whether the page's digest, if it has one, is the digest of what is held."""
    return page.digest is None or stream_digest(stream) == feed.from_hex(page.digest)


def begin_refill(stream: StreamState) -> None:
    """Starts the stream from zero; what is held stays in sight until the fill has ended."""
    stream.cursor = Cursor()
    stream.unconfirmed = set(stream.members)


def drop_stream(state: State, key: str) -> set[UUID]:
    """Forgets a stream; returns the objects that lost a membership."""
    stream = state.streams.pop(key, None)
    return set(stream.members) if stream else set()


def sweep(state: State, dropped: Iterable[UUID], needed: set[UUID]) -> None:
    """Deletes bodies without a membership; those that unsent edits or photos need stay as orphans."""
    loose = {one for one in state.orphans.union(dropped) if not is_held(state, one)}
    state.orphans = loose & needed
    for object_id in loose - needed:
        state.items.pop(object_id, None)
        state.notices.pop(object_id, None)


def is_held(state: State, object_id: UUID) -> bool:
    """Whether any stream holds the object."""
    return any(object_id in stream.members for stream in state.streams.values())


def stream_digest(stream: StreamState) -> int:
    """The digest of a stream's memberships, unsigned."""
    return feed.digest(held.hash for held in stream.members.values())


def _apply_entry(state: State, stream: StreamState, entry: Entry, dropped: set[UUID]) -> None:
    if stream.unconfirmed is not None:
        stream.unconfirmed.discard(entry.id)
    if entry.item is None and entry.notice is None:
        if stream.members.pop(entry.id, None):
            dropped.add(entry.id)
        return
    stream.members[entry.id] = _membership(entry)
    if entry.item is not None and _is_no_older(entry.item, state.items.get(entry.id)):
        state.items[entry.id] = entry.item
    if entry.notice is not None and _is_no_older_notice(entry.notice, state.notices.get(entry.id)):
        state.notices[entry.id] = entry.notice


def _membership(entry: Entry) -> Held:
    hashed = feed.entry_hash(entry.id, entry.version, feed.from_hex(entry.rev), entry.touch)
    return Held(entry.kind, entry.version, entry.rev, entry.touch, hashed)


def _is_no_older(body: ItemBody, held: ItemBody | None) -> bool:
    return held is None or (body.version, body.touch) >= (held.version, held.touch)


def _is_no_older_notice(body: NoticeBody, held: NoticeBody | None) -> bool:
    return held is None or body.version >= held.version


def _end_refill(stream: StreamState) -> set[UUID]:
    gone = stream.unconfirmed or set()
    for object_id in gone:
        del stream.members[object_id]
    stream.unconfirmed = None
    return gone
