"""The pulled layer: streams, memberships and bodies, exactly as the feeds tell."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from schemas.wire import Cursor, Entry, EntryItem, ItemBody, NoticeBody, StreamPage
from sync import feed
from sync.device import salvage
from sync.device.photos import told_states
from sync.device.state import Held, State, StreamState


def apply_page(state: State, stream: StreamState, page: StreamPage) -> set[UUID]:
    """Takes the entries and the cursor of a page; returns the objects that lost a membership."""
    dropped = apply_entries(state, stream, page.entries)
    stream.cursor = page.cursor
    if stream.comparison is None and not page.more:
        dropped |= drop_unconfirmed(stream)
    return dropped


def apply_entries(state: State, stream: StreamState, entries: Iterable[Entry], *, wanted: bool = False) -> set[UUID]:
    """Takes entries in; returns the objects that lost a membership.

    What was `wanted` replaces even what seems to be newer: a comparison found that to be wrong.
    """
    return {entry.id for entry in entries if _apply_entry(state, stream, entry, wanted=wanted)}


def begin_refill(stream: StreamState) -> None:
    """Starts the stream from zero; what is held stays in sight until the fill has ended."""
    stream.cursor, stream.comparison = Cursor(), None
    stream.unconfirmed = set(stream.members)


def drop_unconfirmed(stream: StreamState) -> set[UUID]:
    """Ends a fill or a round of comparing: what the server did not name is no member; returns those objects."""
    gone = stream.members.keys() & (stream.unconfirmed or set())
    for object_id in gone:
        del stream.members[object_id]
    stream.unconfirmed = None
    return gone


def drop_stream(state: State, key: str) -> set[UUID]:
    """Forgets a stream; returns the objects that lost a membership."""
    stream = state.streams.pop(key, None)
    return set(stream.members) if stream else set()


def sweep(state: State, dropped: Iterable[UUID], needed: set[UUID]) -> None:
    """Deletes bodies without a membership; those that unsent edits, photos or salvage need stay as orphans."""
    loose = {one for one in state.orphans.union(dropped) if not _is_held(state, one)}
    salvage.keep(state, loose - needed)
    state.orphans = loose & needed.union(body.id for body in state.salvage)
    for object_id in loose - state.orphans:
        state.items.pop(object_id, None)
        state.notices.pop(object_id, None)
        salvage.settle(state, object_id)


def stream_digest(stream: StreamState) -> int:
    """The digest of a stream's memberships, unsigned."""
    return feed.digest(held.hash for held in stream.members.values())


def agrees(stream: StreamState, page: StreamPage) -> bool:
    """Whether the page's digest, if it has one, is the digest of what is held."""
    return page.digest is None or stream_digest(stream) == feed.from_hex(page.digest)


def membership(entry: Entry | ItemBody) -> Held:
    """What is kept of an entry, or of an item as if its entry told just that."""
    kind = entry.kind if isinstance(entry, Entry) else "item"
    hashed = feed.entry_hash(entry.id, entry.version, feed.from_hex(entry.rev), entry.touch)
    return Held(kind, entry.version, str(entry.rev), entry.touch, hashed)


def item_body(entry: Entry, told: EntryItem) -> ItemBody:
    """The item as it is held."""
    return ItemBody(
        id=entry.id,
        type=told.type,
        version=entry.version,
        rev=str(entry.rev),
        touch=entry.touch,
        grid=told.grid,
        code=told.code,
        author=told.author,
        urgency=told.urgency,
        fields=told.fields,
        received_at=told.received_at,
        review=told.review,
        case=told.case,
        evidence=told_states(told),
    )


def _is_held(state: State, object_id: UUID) -> bool:
    return any(object_id in stream.members for stream in state.streams.values())


def _apply_entry(state: State, stream: StreamState, entry: Entry, *, wanted: bool) -> bool:
    """Whether the object lost its membership."""
    if stream.unconfirmed is not None:
        stream.unconfirmed.discard(entry.id)
    if entry.item is None and entry.notice is None:
        return stream.members.pop(entry.id, None) is not None
    stream.members[entry.id] = membership(entry)
    if entry.item is not None:
        _put_item(state, item_body(entry, entry.item), wanted=wanted)
    if entry.notice is not None:
        _put_notice(state, entry.notice)
    return False


def _put_item(state: State, body: ItemBody, *, wanted: bool) -> None:
    """What is older never replaces what is newer, unless that was before this epoch: then it is saved first."""
    held = state.items.get(body.id)
    if body.id in state.former_items:
        if held is not None and (held.version, held.rev) != (body.version, body.rev):
            salvage.keep(state, {body.id})
        salvage.settle(state, body.id)
        held = None
    if held is None or wanted or (body.version, body.touch) >= (held.version, held.touch):
        state.items[body.id] = body


def _put_notice(state: State, body: NoticeBody) -> None:
    """A notice is in one stream alone, whose newest entry counts: after a restore its version may be a lower one."""
    state.notices[body.id] = body
