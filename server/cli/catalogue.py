"""`onegrid catalogue`: what item types there are, what a version changed, and which versions are still in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.catalogue import CURRENT, document
from schemas.forms import CatalogueFaulty, compile_catalogue, packaged
from schemas.previous import PREVIOUS, PreviousCatalogue, load_previous
from server.cli.catalogue_tables import print_differences, print_form, print_types, print_usage
from server.cli.context import DataOption, JsonOption, print_json, with_services
from server.errors import Problem
from server.usecases.catalogue_usage import read_usage
from sync.catalogue_diff import Version, breaking, differences

app = typer.Typer(no_args_is_help=True)

VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION|FILE", help="版本号或目录文件 / a version, or a file that holds one")
]


@app.callback()
def catalogue() -> None:
    """事项目录 / the catalogue of item types.

    目录随程序发布。新版本的目录与程序一同升级;前两个版本的应用仍可上传。

    It comes with the program: a new version is an upgrade. Apps of the two versions before it may still send.
    """


@app.command()
def show(
    item_type: Annotated[
        str | None, typer.Option("--type", metavar="CODE", help="事项代码,如 0103 / an item type", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """现行目录,或一类事项的表单 / the current catalogue, or the form of one item type.

    \b
    例 / Examples:
      onegrid catalogue show
      onegrid catalogue show --type 0103
    """
    current = packaged()
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
def diff(old: VersionArgument, new: VersionArgument, as_json: JsonOption = False) -> None:
    """两个版本的差异,及对旧版应用的影响 / what a version changed, and what apps of the older one notice.

    \b
    新版若是文件,先按发布要求检查:格式、各项是否自洽、旧版内容能否读入;有错逐条列出。

    A new one that is a file is checked first as any that is released: form, coherence, and that what was written by
    older versions is still read. Every fault is told.

    \b
    例 / Examples:
      onegrid catalogue diff 2024.1 2024.2
      onegrid catalogue diff 2024.2 next.json --json
    """
    before, after = _read(old, "OLD"), _read(new, "NEW")
    if new not in (CURRENT, *PREVIOUS):
        _check(Path(new).read_bytes())
    found = differences(before, after)
    told = {"old": before.name, "new": after.name, "breaking": len(breaking(found)), "differences": found}
    print_json(told) if as_json else print_differences(before, after, found)


@app.command()
def usage(as_json: JsonOption = False, data: DataOption = None) -> None:
    """哪些版本仍在使用 / which versions are still in use, by devices and in the history.

    例 / Example: onegrid catalogue usage
    """
    found = with_services(data, read_usage)
    print_json(found) if as_json else print_usage(found)


def _read(named: str, hint: str) -> Version:
    if named in (CURRENT, *PREVIOUS):
        return Version.of(document(named))
    try:
        return Version.of(Path(named).read_bytes())
    except OSError:
        known = ", ".join((CURRENT, *PREVIOUS))
        raise typer.BadParameter(f"没有这个版本或文件 / no such version or file; {known}", param_hint=hint) from None
    except (msgspec.MsgspecError, UnicodeError, KeyError) as error:
        raise Problem("catalogue_faulty") from error


def _check(written: bytes) -> None:
    """Raises Problem: catalogue_faulty, with the first fault and how many there are."""
    previous = [msgspec.json.decode(document(CURRENT), type=PreviousCatalogue), *map(load_previous, PREVIOUS)]
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
