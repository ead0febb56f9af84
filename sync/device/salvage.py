"""What is held since before a restore: nothing of it is let go of before the server has a copy.

An item of a former epoch leaves that state in one of three ways: the server confirms that it holds the same, the
server's own body replaces it, or it is dropped. Before the last two its body is put aside, and sent until an answer
to a request that carried it has come.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import msgspec

from schemas.wire import ItemBody
from sync.device.state import Revision, State
from sync.framing import Form

MOST = 200
"""How many items one request carries."""

_ENCODERS = {"json": msgspec.json.Encoder(), "msgpack": msgspec.msgpack.Encoder()}


def begin_epoch(state: State) -> None:
    """From now on all that is held is of a former epoch, also what an earlier server has a copy of."""
    state.former_items = set(state.items)
    state.salvaged = set()


def keep(state: State, items: Iterable[UUID]) -> None:
    """Puts aside what is of a former epoch, is not erased, and was not sent yet."""
    kept = set(map(_revision, state.salvage))
    wanted = state.former_items.intersection(items) - state.salvaged - state.erased
    bodies = [state.items[item] for item in sorted(wanted)]
    state.salvage += [body for body in bodies if _revision(body) not in kept]


def settle(state: State, item: UUID) -> None:
    """The item is not of a former epoch any more."""
    state.former_items.discard(item)
    state.salvaged.discard(item)


def confirm(state: State, items: Iterable[UUID]) -> None:
    """The server holds these exactly as they are held here."""
    for item in state.former_items.intersection(items):
        settle(state, item)


def carry(state: State, form: Form) -> list[msgspec.Raw]:
    """What the next request carries, encoded in its form."""
    bodies = state.salvage[:MOST]
    state.carried_salvage = list(map(_revision, bodies))
    return [msgspec.Raw(_ENCODERS[form].encode(body)) for body in bodies]


def arrived(state: State) -> None:
    """The server has what the last request carried."""
    carried = set(state.carried_salvage)
    state.salvage = [body for body in state.salvage if _revision(body) not in carried]
    held = {item for item, *_ in carried if item in state.items and _revision(state.items[item]) in carried}
    state.salvaged |= held & state.former_items


def _revision(body: ItemBody) -> Revision:
    return body.id, body.version, body.rev
