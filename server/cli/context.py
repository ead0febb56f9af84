"""What commands share: the services they work with, whom they act as, and how they answer."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from schemas.forms import CompiledCatalogue, packaged
from server import logs
from server.embedded.connection import local_settings
from server.errors import Problem
from server.services import Services, open_services
from server.usecases.sessions import Caller, find_person

T = TypeVar("T")

_CATALOGUE: ContextVar[CompiledCatalogue] = ContextVar("catalogue")

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", help="运行中的数据文件夹 / data folder of a running server [onegrid-data]", show_default=False
    ),
]
AsOption = Annotated[
    str,
    typer.Option("--as", metavar="PHONE|ID", help="以谁的身份操作(会记入审计)/ whom you act as; it is audited"),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="原因(会记入审计)/ why; it is audited")]
JsonOption = Annotated[bool, typer.Option("--json", help="输出一个 JSON 文档 / one JSON document on stdout")]


def with_services(data: Path | None, work: Callable[[Services], Awaitable[T]]) -> T:
    """Run `work` with services opened from the environment or a data folder.

    Raises Problem from the work; StartError or SettingsError if there is nothing to work with.
    """
    settings = local_settings(os.environ, data)
    logs.configure("warning", "console")

    async def opened() -> tuple[T, CompiledCatalogue]:
        async with open_services(settings) as services:
            return await work(services), services.catalogue

    done, catalogue = asyncio.run(opened())
    _CATALOGUE.set(catalogue)
    return done


def catalogue_in_use() -> CompiledCatalogue:
    """The catalogue of the database that this command worked with; the packaged one if it worked with none."""
    return _CATALOGUE.get(None) or packaged()


async def acting_as(services: Services, key: str) -> Caller:
    """The person named by `--as`, with his assignments as they are now. Raises Problem: not_found."""
    async with services.database.read() as connection:
        person = await find_person(connection, services.keyring, key)
    if person is None:
        raise Problem(
            "not_found",
            field="--as",
            detail_zh="--as 所指的用户不存在或已离岗,请写登录手机号或用户编号。",
            detail_en="--as names nobody who works here: give a login phone or a user's id.",
        )
    return Caller(user_id=person.id, name=person.name, kind="cli", assignments=person.assignments)


def need_reason(reason: str) -> str:
    """The reason without blanks around it. Raises Problem: reason_needed if nothing is left."""
    if not reason.strip():
        raise Problem("reason_needed", field="--reason")
    return reason.strip()


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
