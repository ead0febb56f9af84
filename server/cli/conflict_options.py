"""What the commands about conflicts are told: which conflicts, why, and what is to be done about them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import typer
from msgspec import Struct

from server.db.conflicts import ConflictFilter
from server.services import Services
from server.usecases.conflict_access import SHORTEST_PREFIX, id_range
from server.usecases.conflict_counts import authors_named
from server.usecases.orders import Order
from server.usecases.sessions import Caller
from sync.access import division_prefix

Kind = Literal[
    "update_update",
    "update_delete",
    "delete_update",
    "code",
    "territory",
    "referenced",
    "duplicate",
    "late_transition",
    "group",
]
State = Literal["open", "resolved", "all"]

_AGE = re.compile(r"([0-9]{1,4})([mhd])")
_AGE_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_DIVISION = re.compile(r"[0-9]{4,15}")
_GRID = re.compile(r"[0-9]{15}")

IdArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="冲突编号,或其前 6 位以上 / id of the conflict, or its first 6 digits or more"),
]
OneArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="ID",
        help="冲突编号,或其前 6 位以上 / id of the conflict, or its first 6 digits or more",
        show_default=False,
    ),
]
WhereOption = Annotated[
    str | None,
    typer.Option("--where", metavar="KEY=VALUE,…", help="所有符合的冲突 / all conflicts that fit", show_default=False),
]
RunOption = Annotated[
    str | None, typer.Option("--run", metavar="ID", help="批次编号 / the id of a run", show_default=False)
]
WhyOption = Annotated[
    str | None, typer.Option("--reason", help="原因(会记入审计)/ why; it is audited", show_default=False)
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="只看结果,不写入 / show the result, write nothing")]
StateOption = Annotated[State, typer.Option("--state", help="状态 / state")]
KindOption = Annotated[Kind | None, typer.Option("--kind", help="种类 / kind", show_default=False)]
DivisionOption = Annotated[
    str | None, typer.Option("--division", help="行政区划或网格编码 / code of a division or grid", show_default=False)
]
TypeOption = Annotated[
    str | None, typer.Option("--type", metavar="CODE", help="事项 / item type, such as 0101", show_default=False)
]
OlderOption = Annotated[
    str | None,
    typer.Option("--older-than", metavar="AGE", help="早于 / opened before: 30m, 12h, 3d", show_default=False),
]
AuthorOption = Annotated[
    str | None,
    typer.Option("--author", metavar="NAME|PHONE|ID", help="离线修改的作者 / who made the edit", show_default=False),
]


class Wanted(Struct, frozen=True, kw_only=True):
    """Which conflicts are meant, as somebody typed it."""

    state: State = "open"
    kind: str | None = None
    division: str | None = None
    item_type: str | None = None
    older_than: str | None = None
    author: str | None = None

    def check(self) -> None:
        """Raises BadParameter for what cannot be meant."""
        read_division(self.division)
        age_of(self.older_than)

    async def filter(self, services: Services, now: datetime) -> ConflictFilter:
        """The same as the use cases take it."""
        age = age_of(self.older_than)
        return ConflictFilter(
            state=None if self.state == "all" else self.state,
            kind=self.kind,
            item_type=self.item_type,
            division_prefix=read_division(self.division),
            opened_before=now - age if age else None,
            authors=await authors_named(services, self.author) if self.author else None,
        )


class Said(Struct, frozen=True, kw_only=True):
    """What goes with everything that changes something: as whom, why, whether only to look, and how to answer."""

    as_: str
    why: str
    dry_run: bool
    as_json: bool
    data: Path | None

    def order(self, actor: Caller, ids: tuple[UUID, UUID]) -> Order:
        """The same as the use cases take it, about these conflicts."""
        return Order(actor=actor, ids=ids, reason=self.why, now=datetime.now(UTC), dry_run=self.dry_run)


_WHERE: dict[str, str] = {
    "kind": "kind",
    "division": "division",
    "type": "item_type",
    "older-than": "older_than",
    "author": "author",
}


def read_where(text: str) -> Wanted:
    """`kind=…,type=…`: open conflicts to be settled alike. Raises BadParameter."""
    given: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = (one.strip() for one in part.partition("="))
        if key not in _WHERE or not equals or not value or _WHERE[key] in given:
            known = "|".join(_WHERE)
            raise typer.BadParameter(
                f"请写如 kind=update_update,type=0101,可用 / write KEY=VALUE once each, of: {known}",
                param_hint="--where",
            )
        given[_WHERE[key]] = value
    if given.get("kind") not in (None, *get_args(Kind)):
        raise typer.BadParameter(f"没有这种冲突 / no such kind: {given['kind']}", param_hint="--where")
    wanted = Wanted(**given)
    wanted.check()
    return wanted


def one_of(id_: str | None, other: str | None, option: str) -> str:
    """Which of the two was given: ID or the option. Raises BadParameter for both, or neither."""
    if (id_ is None) == (other is None):
        message = f"请写冲突编号或 {option},二者之一 / give an ID or {option}, one of the two"
        raise typer.BadParameter(message, param_hint="ID")
    return "ID" if other is None else option


def read_ids(text: str, hint: str = "ID") -> tuple[UUID, UUID]:
    """The range of ids that begin so. Raises BadParameter."""
    try:
        return id_range(text)
    except ValueError:
        raise typer.BadParameter(
            f"请写编号或其前 {SHORTEST_PREFIX} 位以上 / give the id or at least its first {SHORTEST_PREFIX} digits",
            param_hint=hint,
        ) from None


def read_reason(text: str | None) -> str:
    """A reason that says something. Raises BadParameter."""
    if text is None or not text.strip():
        raise typer.BadParameter("请写明原因,会记入审计 / say why; it is audited", param_hint="--reason")
    return text


def read_grid(code: str | None) -> str | None:
    """The code of a grid. Raises BadParameter."""
    if code is not None and not _GRID.fullmatch(code):
        raise typer.BadParameter("请写 15 位网格编码 / give a grid code of 15 digits", param_hint="--grid")
    return code


def read_division(code: str | None) -> str | None:
    """The digits with which the codes of all grids begin that are meant. Raises BadParameter."""
    if code is None:
        return None
    if not _DIVISION.fullmatch(code):
        raise typer.BadParameter("请写 4 至 15 位编码 / give a code of 4 to 15 digits", param_hint="--division")
    return division_prefix(code) if len(code) == 12 else code


def age_of(text: str | None) -> timedelta | None:
    """An age such as 30m, 12h or 3d. Raises BadParameter."""
    if text is None:
        return None
    matched = _AGE.fullmatch(text)
    if matched is None:
        raise typer.BadParameter("请写如 30m、12h、3d / write 30m, 12h or 3d", param_hint="--older-than")
    return timedelta(**{_AGE_UNITS[matched[2]]: int(matched[1])})
