"""`onegrid catalogue`: what item types there are, what a version changed, and which versions are still in use."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from schemas.catalogue import document
from schemas.forms import CatalogueFaulty, CompiledCatalogue, compile_catalogue
from schemas.previous import PreviousCatalogue
from server.cli.catalogue_documents import PACKAGED, VersionArgument, read_document
from server.cli.catalogue_publish import publish
from server.cli.catalogue_tables import print_differences, print_form, print_types, print_usage
from server.cli.context import DataOption, JsonOption, print_json, with_services
from server.errors import Problem
from server.services import Services
from server.usecases.catalogue_usage import read_usage
from sync.catalogue_diff import Version, breaking, differences

app = typer.Typer(no_args_is_help=True)


@app.callback()
def catalogue() -> None:
    """事项目录 / the catalogue of item types.

    程序自带一份目录;各市可用 publish 发布自己的新版。前两个版本的应用仍可上传。

    One comes with the program; a city publishes its own next versions. Apps of the two versions before the current one
    may still send.
    """


@app.command()
def show(
    item_type: Annotated[
        str | None, typer.Option("--type", metavar="CODE", help="事项代码,如 0103 / an item type", show_default=False)
    ] = None,
    whole: Annotated[
        bool, typer.Option("--document", help="原样输出目录文件 / the document itself, byte for byte")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """现行目录,或一类事项的表单 / the current catalogue, or the form of one item type.

    \b
    例 / Examples:
      onegrid catalogue show
      onegrid catalogue show --type 0103
      onegrid catalogue show --document > next.json
    """
    current = with_services(data, _current)
    if whole:
        sys.stdout.buffer.write(current.document)
        return
    if item_type is None:
        types = [{"code": one.code, "zh": one.type.name_zh, "en": one.type.name_en} for one in current.types.values()]
        told = {"version": current.version, "accepted": sorted(current.accepted), "etag": current.etag, "types": types}
        print_json(told) if as_json else print_types(current)
        return
    compiled = current.types.get(item_type)
    if compiled is None:
        raise typer.BadParameter("没有这个事项类型 / there is no such item type", param_hint="--type")
    print_json(compiled.type) if as_json else print_form(compiled)


@app.command()
def diff(old: VersionArgument, new: VersionArgument, as_json: JsonOption = False, data: DataOption = None) -> None:
    """两个版本的差异,及对旧版应用的影响 / what a version changed, and what apps of the older one notice.

    \b
    新版若是文件,先检查格式和各项是否自洽。能否发布由 publish --dry-run 判断。

    A new one that is a file is checked first: its form, and whether its parts fit. Whether it may be published is told
    by publish --dry-run.

    \b
    例 / Examples:
      onegrid catalogue diff 2024.1 2024.2
      onegrid catalogue diff 2024.2 next.json --json
    """
    written = read_document(new, "NEW", data)
    before, after = _version(read_document(old, "OLD", data)), _version(written)
    if new not in PACKAGED:
        _check(written)
    found = differences(before, after)
    told = {"old": before.name, "new": after.name, "breaking": len(breaking(found)), "differences": found}
    print_json(told) if as_json else print_differences(before, after, found)


app.command()(publish)


@app.command()
def usage(as_json: JsonOption = False, data: DataOption = None) -> None:
    """哪些版本仍在使用 / which versions are still in use, by devices and in the history.

    例 / Example: onegrid catalogue usage
    """
    found = with_services(data, read_usage)
    print_json(found) if as_json else print_usage(found)


async def _current(services: Services) -> CompiledCatalogue:
    return services.catalogue


def _version(written: bytes) -> Version:
    try:
        return Version.of(written)
    except (msgspec.MsgspecError, UnicodeError, KeyError) as error:
        raise Problem("catalogue_faulty") from error


def _check(written: bytes) -> None:
    """Raises Problem: catalogue_faulty, with the first fault and how many there are."""
    previous = [msgspec.json.decode(document(one), type=PreviousCatalogue) for one in PACKAGED]
    try:
        compile_catalogue(written, previous)
    except CatalogueFaulty as faulty:
        first, more = faulty.faults[0], len(faulty.faults)
        raise Problem(
            "catalogue_faulty",
            field=first.path or None,
            detail_zh=f"目录有 {more} 处错误;第一处:{first.zh}",
            detail_en=f"The catalogue has {more} faults; the first: {first.en}",
        ) from None
