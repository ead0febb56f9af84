"""What is to be taken of a conflict, as somebody types it: a side, a grid, or field by field."""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

import typer
from msgspec import Struct

from schemas.forms import CompiledType
from server.cli.conflict_options import read_grid
from server.cli.field_values import parse_value
from server.services import Services
from server.usecases.conflict_views import show_conflict
from server.usecases.sessions import Caller
from sync.disputes import Choice, Side, Take

TakeOption = Annotated[Take | None, typer.Option("--take", help="采纳哪一方 / which side to take", show_default=False)]
GridOption = Annotated[
    str | None,
    typer.Option("--grid", metavar="CODE", help="编码冲突:网格编码 / the code of the grid", show_default=False),
]
LinkOption = Annotated[
    str | None,
    typer.Option(
        "--link", metavar="ITEM", help="重复:与此事项合为一项 / a duplicate: the item it is", show_default=False
    ),
]
FieldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--field", metavar="KEY=server|incoming", help="合并时:该栏采纳哪一方 / in a merge: the side of a field"
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="合并时:该栏改为此值,空则清除 / in a merge: a value of your own"),
]


class Typed(Struct, frozen=True, kw_only=True):
    """What is to be taken, as somebody typed it: `values` are yet to be read by the form of the item."""

    take: Take
    sides: dict[str, Side] = {}
    values: dict[str, str] = {}
    grid: str | None = None
    link: UUID | None = None

    async def choice(self, services: Services, caller: Caller, ids: tuple[UUID, UUID]) -> Choice:
        """The choice about one conflict. Raises BadParameter for values that cannot be."""
        if not self.values:
            return Choice(self.take, self.sides, {}, self.grid, self.link)
        detail = await show_conflict(services, caller, ids)
        values = _values(services.catalogue.types[detail.conflict.type], self.values)
        return Choice(self.take, self.sides, values, self.grid)


def read_choice(take: Take | None, grid: str | None, link: str | None, field: list[str], set_: list[str]) -> Typed:
    """What is to be taken. Raises BadParameter for what does not go together."""
    taken, sides, values = _take(take, read_grid(grid), link), _sides(field), _pairs(set_, "--set")
    if bool(sides or values) != (taken == "merge"):
        message = "合并须用 --field 或 --set,其他方式不可用 / merge, and only merge, goes with --field or --set"
        raise typer.BadParameter(message, param_hint="--take")
    if twice := sides.keys() & values.keys():
        raise typer.BadParameter(f"每栏只写一次 / decide once: {', '.join(sorted(twice))}", param_hint="--set")
    return Typed(take=taken, sides=sides, values=values, grid=grid, link=_item(link))


def _take(take: Take | None, grid: str | None, link: str | None) -> Take:
    """What is taken; to name a grid, or an item, says enough."""
    named: dict[Take, str | None] = {"grid": grid, "link": link}
    given: list[Take] = [one for one, value in named.items() if value is not None]
    if len(given) > 1 or (given and take not in (None, *given)):
        option = f"--{given[-1]}"
        raise typer.BadParameter(f"{option} 不与其他方式同用 / {option} goes with no other --take", param_hint=option)
    if (take is None and not given) or (take in named and not given):
        message = "请写 --take server|incoming|merge、--grid CODE 或 --link ITEM / give --take, --grid or --link"
        raise typer.BadParameter(message, param_hint="--take")
    return given[0] if given else take or "server"


def _item(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise typer.BadParameter("请写事项的完整编号 / give the whole id of the item", param_hint="--link") from None


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals) or key in pairs:
            raise typer.BadParameter("请写 KEY=…,每栏一次 / write KEY=… once for a field", param_hint=option)
        pairs[key] = value
    return pairs


def _sides(texts: list[str]) -> dict[str, Side]:
    sides = _pairs(texts, "--field")
    if not set(sides.values()) <= {"server", "incoming"}:
        raise typer.BadParameter("请写 KEY=server 或 KEY=incoming / write server or incoming", param_hint="--field")
    return cast(dict[str, Side], sides)


def _values(compiled: CompiledType, typed: dict[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, text in typed.items():
        try:
            values[key] = parse_value(compiled.fields.get(key), text)
        except ValueError:
            raise typer.BadParameter(f"{key} 不能是这样的值 / no such value for {key}", param_hint="--set") from None
    return values
