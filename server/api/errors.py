"""What the `type` of a problem document points at."""

from __future__ import annotations

from litestar import get
from litestar.params import FromPath
from msgspec import Struct

from server.errors import CATALOGUE, Problem


class ErrorView(Struct, frozen=True):
    """One line of the catalogue of errors."""

    code: str
    status: int
    zh: str
    en: str


@get("/errors/{code:str}", tags=["operation"], summary="错误代码 An error code")
async def error(code: FromPath[str]) -> ErrorView:
    """What a stable error code means; open to everybody."""
    if code not in CATALOGUE:
        raise Problem("not_found")
    return ErrorView(code, *CATALOGUE[code])
