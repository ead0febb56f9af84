"""Who waits to be nudged: the open event streams of this process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID


class Listener:
    """One open event stream. `news`: one of its streams has moved; `over`: it ends, which is news too."""

    def __init__(self, user_id: UUID, scope: Iterable[str]) -> None:
        self.user_id = user_id
        self.scope = tuple(scope)
        self.news = asyncio.Event()
        self.over = asyncio.Event()

    def end(self) -> None:
        """Its scope or its sign-in is no longer what it was: the client is to come again."""
        self.over.set()
        self.news.set()


class Listeners:
    """All of them, by stream and by user."""

    def __init__(self) -> None:
        self._by_stream: defaultdict[str, set[Listener]] = defaultdict(set)
        self._by_user: defaultdict[UUID, set[Listener]] = defaultdict(set)
        self.count = 0

    def add(self, listener: Listener) -> None:
        """Begin to nudge it."""
        self.count += 1
        self._by_user[listener.user_id].add(listener)
        for key in listener.scope:
            self._by_stream[key].add(listener)

    def remove(self, listener: Listener) -> None:
        """Forget it."""
        self.count -= 1
        _take(self._by_user, listener.user_id, listener)
        for key in listener.scope:
            _take(self._by_stream, key, listener)

    def nudge(self, keys: Iterable[str]) -> None:
        """Tell those who hear of one of these streams."""
        for key in keys:
            for listener in self._by_stream.get(key, ()):
                listener.news.set()

    def end(self, user_id: UUID) -> None:
        """End all of a user."""
        for listener in self._by_user.get(user_id, ()):
            listener.end()

    def end_all(self) -> None:
        """End every one."""
        for user_id in self._by_user:
            self.end(user_id)


def _take(index: defaultdict[Any, set[Listener]], key: Any, listener: Listener) -> None:
    index[key].discard(listener)
    if not index[key]:
        del index[key]
