"""Walking through conflicts with a person at a terminal: show one, ask, do what he says, show the next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from schemas.item_type import Field
from server.cli.conflict_tables import draw_detail, print_done
from server.cli.field_values import parse_value
from server.cli.keys import END, Keys
from server.db.conflicts import ConflictFilter
from server.errors import Problem
from server.services import Services
from server.usecases.conflict_views import Detail, list_conflicts, reveal_conflict, show_conflict, takes_of
from server.usecases.conflicts import resolve_conflict, undo_resolution
from server.usecases.orders import Order
from server.usecases.sessions import Caller
from sync.disputes import Choice, Side, Take

_TAKES: dict[str, tuple[Take, str]] = {
    "s": ("server", "服务器 server"),
    "i": ("incoming", "离线 incoming"),
    "m": ("merge", "逐栏 by field"),
    "g": ("grid", "网格 grid"),
    "l": ("link", "合为一项 link"),
}
_SIDES: dict[str, Side] = {"s": "server", "i": "incoming"}


class Walked(Struct, frozen=True):
    """What was decided on the way, and what was left for later."""

    settled: list[UUID]
    skipped: list[UUID]


class _Quit(Exception):
    pass


class Walk:
    """One person's way through the queue; `aside`: everything is shown on stderr."""

    def __init__(self, services: Services, caller: Caller, reason: str | None, *, aside: bool) -> None:
        self._services = services
        self._caller = caller
        self._reason = (reason or "").strip()
        self._asks = not self._reason
        self._console = Console(stderr=aside)
        self._keys = Keys(self._console)
        self._settled: list[UUID] = []
        self._skipped: list[UUID] = []

    async def through(self, wanted: ConflictFilter) -> Walked:
        """From the oldest to the last one that is open, or until he quits."""
        try:
            async for conflict_id in self._queue(wanted):
                await self._one(conflict_id)
        except _Quit:
            pass
        self._say(f"已处理 settled: {len(self._settled)}, 跳过 skipped: {len(self._skipped)}")
        return Walked(self._settled, self._skipped)

    async def _queue(self, wanted: ConflictFilter) -> AsyncIterator[UUID]:
        after: str | None = None
        while True:
            page = await list_conflicts(self._services, self._caller, wanted, limit=1, after=after)
            for line in page.conflicts:
                yield line.id
            if page.next is None:
                return
            after = page.next

    async def _one(self, conflict_id: UUID) -> None:
        """Show it and ask until it is settled or skipped; what is refused is told and asked again."""
        detail = await show_conflict(self._services, self._caller, (conflict_id, conflict_id))
        self._show(detail)
        while True:
            try:
                if await self._decide(detail):
                    return
            except Problem as problem:
                self._say(f"{problem.zh} / {problem.en}")
                if problem.code in ("conflict_resolved", "not_found"):
                    return

    async def _decide(self, detail: Detail) -> bool:
        """One key; whether the conflict is done with."""
        takes = {key: words for key, (take, words) in _TAKES.items() if take in takes_of(detail)}
        more = {"k": "跳过 skip", "q": "结束 quit"} | ({"u": "撤销上一个 undo the last"} if self._settled else {})
        masked = {"r": "显示 reveal"} if any(one.masked for one in detail.fields) else {}
        keys = takes | masked | more
        typed = self._keys.key(" | ".join(f"{key} {words}" for key, words in keys.items()) + ":", keys)
        if typed in ("q", END):
            raise _Quit
        if typed == "k":
            self._skipped.append(detail.conflict.id)
        elif typed == "r":
            await self._reveal(detail)
        elif typed == "u":
            await self._undo(detail)
        else:
            await self._settle(detail, _TAKES[typed][0])
        return typed == "k" or typed in takes

    async def _settle(self, detail: Detail, take: Take) -> None:
        choice = self._choice(detail, take)
        done = await resolve_conflict(self._services, self._order(detail.conflict.id), choice)
        self._settled.append(detail.conflict.id)
        print_done(done, self._console)

    def _choice(self, detail: Detail, take: Take) -> Choice:
        if take == "grid":
            return Choice("grid", grid=self._keys.line("网格编码 grid code:"))
        if take == "link":
            return Choice("link", link=self._item(detail))
        if take != "merge":
            return Choice(take)
        sides: dict[str, Side] = {}
        values: dict[str, Any] = {}
        fields = self._services.catalogue.types[detail.conflict.type].fields
        for one in detail.fields:
            typed = self._keys.key(f"{one.zh} {one.en}: s 服务器 server | i 离线 incoming | v 改为 a value:", "siv")
            if typed == END:
                raise _Quit
            if typed == "v":
                values[one.key] = _value(fields.get(one.key), self._keys.line("内容 value:"))
            else:
                sides[one.key] = _SIDES[typed]
        return Choice("merge", sides, values)

    def _item(self, detail: Detail) -> UUID:
        """The item that a duplicate is one with: its twin, if he names no other."""
        twin = str(detail.related.items[0]) if detail.related.items else ""
        offered = f" [{twin}]" if twin else ""
        try:
            return UUID(self._keys.line(f"事项编号 item{offered}:", twin))
        except ValueError:
            raise Problem("resolution_invalid", field="link") from None

    async def _undo(self, detail: Detail) -> None:
        """Take the last one back and settle it anew, then go on with this one."""
        last = self._settled[-1]
        print_done(await undo_resolution(self._services, self._order(last)), self._console)
        self._settled.pop()
        await self._one(last)
        self._show(detail)

    async def _reveal(self, detail: Detail) -> None:
        ids = (detail.conflict.id, detail.conflict.id)
        self._show(await reveal_conflict(self._services, self._caller, ids, self._why()))

    def _order(self, conflict_id: UUID) -> Order:
        ids = (conflict_id, conflict_id)
        return Order(actor=self._caller, ids=ids, reason=self._why(), now=datetime.now(UTC))

    def _why(self) -> str:
        """The reason for this act; what was said last is offered again."""
        if self._asks:
            offered = f" [{self._reason}]" if self._reason else ""
            self._reason = self._keys.line(f"原因 reason{offered}:", self._reason)
        return self._reason

    def _show(self, detail: Detail) -> None:
        draw_detail(self._console, detail, self._services.catalogue.types[detail.conflict.type].fields)

    def _say(self, words: str) -> None:
        self._console.print(Text(words))


def _value(field: Field | None, text: str) -> Any:
    try:
        return parse_value(field, text)
    except ValueError:
        raise Problem("resolution_invalid", field=field.key if field else None) from None
