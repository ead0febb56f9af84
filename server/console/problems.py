"""Refusals and failures as pages: what the API says of them, in the look of the console."""

from __future__ import annotations

from typing import Any

from litestar import Response
from msgspec import json

from schemas.accounts import ProblemDocument
from server.console.pages import page
from server.console.sign_in import sign_in_address
from server.console.visit import AnyRequest, SignInNeededError, address_of, language_of, visit_of
from server.problems import handlers

_API: dict[Any, Any] = dict(handlers())


def page_handlers() -> dict[Any, Any]:
    """The exception handlers of the console."""
    return {SignInNeededError: _to_sign_in, **dict.fromkeys(_API, _as_page)}


def _to_sign_in(request: AnyRequest, error: SignInNeededError) -> Response[Any]:
    address = sign_in_address(request, ended=error.ended)
    return Response(b"", status_code=303, headers={"Location": address, "Cache-Control": "no-store"})


def _as_page(request: AnyRequest, error: Exception) -> Response[str]:
    answer = next(_API[kind] for kind in type(error).__mro__ if kind in _API)
    problem = json.decode(answer(request, error).content, type=ProblemDocument)
    language = language_of(request)
    visit = visit_of(request)
    return page(
        request.app.state.services.settings,
        language,
        "problem.html",
        status=problem.status,
        visit=visit,
        here=request.url.path,
        address=address_of(request),
        title=_either(language, problem),
        request_id=problem.request_id,
        status_shown=problem.status,
    )


def _either(language: str, problem: ProblemDocument) -> str:
    return problem.zh if language == "zh" else problem.en
