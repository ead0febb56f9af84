"""Opaque cursors: where a list that is read in pages goes on."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec

from server.errors import Problem

LARGEST_PAGE = 200

Place = TypeVar("Place", bound=tuple[object, ...])


class QueuePlace(NamedTuple):
    """A place in a queue: the most urgent first, then the oldest."""

    urgency_level: int
    since: datetime
    item_id: UUID


class ListPlace(NamedTuple):
    """A place in a list: the newest first."""

    item_id: UUID


def to_cursor(place: tuple[object, ...] | None) -> str | None:
    """The cursor for what comes after a place; None for the end."""
    if place is None:
        return None
    return urlsafe_b64encode(msgspec.msgpack.encode(tuple(place))).rstrip(b"=").decode()


def from_cursor(cursor: str | None, kind: type[Place]) -> Place | None:
    """The place that a cursor stands for. Raises Problem `parameter_invalid` for what is no cursor of this list."""
    if not cursor:
        return None
    try:
        return msgspec.msgpack.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=kind)
    except (ValueError, msgspec.MsgspecError):
        raise Problem("parameter_invalid", field="cursor") from None
