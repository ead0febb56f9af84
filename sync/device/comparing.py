"""Bringing a stream back to what the server holds, in bytes that grow with the difference.

A round: the digests of all buckets go out; hashes, or the digests of parts, come back for those that differ; hashes
that are lacking are wanted, and their entries come. What the server did not name stays in sight until the round has
ended. Three rounds in a row without agreement, and the stream is filled anew.
"""

from __future__ import annotations

from uuid import UUID

from schemas.wire import Repair, Repaired, StreamPage
from sync import feed, repair
from sync.device import pulled, salvage
from sync.device.state import Comparison, State, StreamState

WANTED = 1_000
"""How many entries one request wants."""

_ROUNDS = 3


def begin_epoch(state: State) -> None:
    """Cursors are of the former epoch: every stream is to be compared, as the bodies that are held make it."""
    state.mark = None
    for stream in state.streams.values():
        held = {one: state.items[one] for one in stream.members if one in state.items}
        stream.members |= {one: pulled.membership(body) for one, body in held.items()}
        stream.cursor, stream.refilled = None, False
        begin(stream)


def begin(stream: StreamState) -> None:
    """Compares from now on; where nothing is held, a fill is all it takes."""
    if stream.members:
        stream.comparison, stream.unconfirmed = Comparison(), None
    else:
        pulled.begin_refill(stream)


def questions(state: State, *, is_last: bool) -> dict[str, Repair]:
    """What the next request asks of each stream.

    Unless `is_last`, sets remain to be sent after it. As long as something of a former epoch is held, nothing is
    compared before they are sent, or all that is only on its way would seem to be missing.
    """
    asked: dict[str, Repair] = {}
    for key, stream in state.streams.items():
        question = None
        if stream.comparison:
            stream.comparison.asked = 0
        if stream.comparison and (is_last or not state.former_items):
            question = _question(state, stream, stream.comparison)
        if question or stream.cursor is None:
            asked[key] = question or Repair()
    return asked


def take_page(state: State, page: StreamPage) -> set[UUID]:
    """Takes one page of a stream; returns the objects that lost a membership."""
    stream = state.streams.setdefault(page.stream, StreamState())
    is_empty = not stream.members
    if page.reset and not is_empty and stream.comparison is None:
        begin(stream)
    dropped = pulled.apply_page(state, stream, page)
    if page.reset and is_empty:
        begin(stream)
    if page.more:
        return dropped
    if stream.comparison and page.repaired:
        dropped |= _take(state, stream, stream.comparison, page.repaired)
    if pulled.agrees(stream, page):
        _agree(state, stream)
    elif stream.comparison and page.repaired:
        _end_round(stream, stream.comparison)
    return dropped


def disagrees(state: State, page: StreamPage) -> bool:
    """Whether the page's digest shows a mistake where nobody looked for one; then comparing begins.

    If a fill from zero has not helped, it waits until something new is on the stream.
    """
    stream = state.streams[page.stream]
    if stream.comparison or stream.unconfirmed is not None or pulled.agrees(stream, page):
        return False
    if stream.refilled:
        stream.refilled = False
        return False
    begin(stream)
    state.repairs += 1
    return True


def is_pending(stream: StreamState) -> bool:
    """Whether the stream is being compared or filled anew."""
    return stream.comparison is not None or stream.unconfirmed is not None


def _question(state: State, stream: StreamState, comparison: Comparison) -> Repair | None:
    """What comes next; None while nothing may be wanted, as what it may replace is still to be saved."""
    digests = repair.digests_of((one, held.hash) for one, held in stream.members.items())
    if not comparison.want and not comparison.finer:
        return Repair(buckets=repair.bucket_digests(digests))
    comparison.asked = 0 if len(state.salvage) > salvage.MOST else len(comparison.want[:WANTED])
    finer = {bucket: repair.part_digests(digests, bucket) for bucket in comparison.finer}
    want = [feed.to_hex(hashed) for hashed in comparison.want[: comparison.asked]]
    return Repair(finer=finer, want=want) if finer or want else None


def _take(state: State, stream: StreamState, comparison: Comparison, told: Repaired) -> set[UUID]:
    dropped = pulled.apply_entries(state, stream, told.entries, wanted=True)
    _count_answered(comparison, told)
    _take_hashes(state, stream, comparison, told)
    held = {held.hash for held in stream.members.values()}
    comparison.want = [hashed for hashed in comparison.want if hashed not in held]
    comparison.finer = list(told.finer)
    if not comparison.want and not comparison.finer:
        dropped |= pulled.drop_unconfirmed(stream)
    return dropped


def _count_answered(comparison: Comparison, told: Repaired) -> None:
    """Entries come in the order in which they were wanted, as many as fit: what is missing before the last is gone.

    At least one fits, so if none came, all are gone.
    """
    asked = comparison.want[: comparison.asked]
    came = {pulled.membership(entry).hash for entry in told.entries}
    answered = [place for place, hashed in enumerate(asked) if hashed in came]
    comparison.want = comparison.want[answered[-1] + 1 if answered else len(asked) :]
    comparison.asked = 0


def _take_hashes(state: State, stream: StreamState, comparison: Comparison, told: Repaired) -> None:
    listed = {place for key in told.hashes for place in repair.places_behind(key)}
    theirs = {hashed: None for packed in told.hashes.values() for hashed in repair.unpack_hashes(packed)}
    wrong = {one for one, held in stream.members.items() if repair.place_of(one) in listed and held.hash not in theirs}
    stream.unconfirmed = (stream.unconfirmed or set()) | wrong
    comparison.want += theirs
    salvage.keep(state, wrong)


def _agree(state: State, stream: StreamState) -> None:
    stream.comparison = stream.unconfirmed = None
    stream.refilled = False
    salvage.confirm(state, stream.members)


def _end_round(stream: StreamState, comparison: Comparison) -> None:
    if comparison.want or comparison.finer:
        return
    comparison.rounds += 1
    if comparison.rounds == _ROUNDS:
        pulled.begin_refill(stream)
        stream.refilled = True
