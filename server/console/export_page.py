"""Taking items out as a file, for a reason that goes on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, get_args
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.response import Stream

from server.console.filters import Choice, read_filters
from server.console.visit import Visit
from server.db.reading import ExportFilter
from server.errors import Problem
from server.storage.export_files import Format
from server.usecases.exporting import ExportWish, export_items
from server.usecases.reading import area

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_FORMATS: tuple[Format, ...] = get_args(Format)
_CHUNK = 256 * 1024
_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@get("/export")
async def show(visit: NamedDependency[Visit]) -> Response[str]:
    """The form."""
    return await _page(visit, {})


@post("/export", status_code=200)
async def take(visit: NamedDependency[Visit], form: NamedDependency[FormMultiDict]) -> Response[Any]:
    """The file; where it is refused the page says why and keeps what was written."""
    try:
        wish = _wish(form)
        with TemporaryDirectory(prefix="onegrid-export-") as folder:
            path = Path(folder, "items")
            await export_items(visit.services, visit.caller, wish, path)
            opened = await asyncio.to_thread(path.open, "rb")  # it outlives its name
    except Problem as problem:
        why = visit.say("export.failed", why=visit.either(problem.zh, problem.en))
        return await _page(visit, {key: str(value) for key, value in form.multi_items()}, problem.status, why)
    name = f"{wish.narrowed.type}-{datetime.now(_CITY_TIME):%Y%m%d-%H%M}.{wish.file_format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Stream(_read(opened), media_type=_MEDIA[wish.file_format], headers=headers)


async def _read(opened: BinaryIO) -> AsyncGenerator[bytes]:
    with opened:
        while chunk := await asyncio.to_thread(opened.read, _CHUNK):
            yield chunk


def _wish(form: FormMultiDict) -> ExportWish:
    """Raises Problem `parameter_invalid` for what no form of ours sends."""
    chosen, division = str(form.get("format", "")), str(form.get("division", ""))
    if chosen not in _FORMATS or not (division == "" or (len(division) == 12 and division.isdigit())):
        raise Problem("parameter_invalid", field="format" if chosen not in _FORMATS else "division")
    last = _day(form, "to")
    narrowed = ExportFilter(
        type=str(form.get("type", "")),
        division=area(division or None),
        begins=_day(form, "from"),
        ends=last + timedelta(days=1) if last else None,
        approved_only=form.get("unapproved") != "1",
    )
    reveal = form.get("reveal") == "1"
    return ExportWish(narrowed=narrowed, file_format=chosen, reason=str(form.get("reason", "")), reveal=reveal)


def _day(form: FormMultiDict, key: str) -> datetime | None:
    text = str(form.get(key, ""))
    try:
        return datetime.combine(date.fromisoformat(text), time(), _CITY_TIME) if text else None
    except ValueError:
        raise Problem("parameter_invalid", field=key) from None


async def _page(visit: Visit, given: dict[str, str], status: int = 200, problem: str = "") -> Response[str]:
    return visit.page(
        "export.html",
        status=status,
        filters=await read_filters(visit, "/console/export"),
        formats=[Choice(one, visit.say(f"export.format.{one}")) for one in _FORMATS],
        given=given,
        problem=problem,
    )
