"""To-dos, parked changes and notices. What the worker has put away is out of his sight at once.

The server is told of it with every request, until the stream says that it is gone or tells something new under its id.
"""

from __future__ import annotations

from uuid import UUID

from schemas.wire import FeedKind, NoticeBody, PutAway
from sync.device.state import State
from sync.feed import ENDS_WHEN_SEEN

_MOST = 100


def of_kind(state: State, kind: FeedKind) -> list[NoticeBody]:
    """Those of a kind, in the order of their ids, without what was put away."""
    held = (body for _, body in sorted(state.notices.items()) if body.kind == kind)
    return [body for body in held if not _is_put_away(state, body)]


def put_away(state: State, notice: UUID) -> None:
    """Only what asks for nothing ends by being seen; of any other notice nothing is kept."""
    body = state.notices.get(notice)
    if body is not None and body.code in ENDS_WHEN_SEEN:
        state.put_away[notice] = body.version


def carry(state: State) -> list[PutAway]:
    """What the next request tells as put away."""
    return [PutAway(notice, version) for notice, version in sorted(state.put_away.items())[:_MOST]]


def forget_ended(state: State) -> None:
    """Keeps only what is still held as it was when it was put away."""
    held = [state.notices[notice] for notice in state.put_away if notice in state.notices]
    state.put_away = {body.id: body.version for body in held if _is_put_away(state, body)}


def _is_put_away(state: State, body: NoticeBody) -> bool:
    return state.put_away.get(body.id) == body.version
