"""Every refusal as an RFC 9457 problem document, whatever raised it; the one place where errors become answers."""

from __future__ import annotations

import re
from typing import Any, Literal

import asyncpg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from msgspec import json

from schemas.accounts import ProblemDocument
from server.errors import CATALOGUE, Problem
from server.logs import failure
from server.metrics import AUTH_FAILURES

MEDIA_TYPE = "application/problem+json"
Language = Literal["zh", "en"]

_log = structlog.get_logger(__name__)

_BY_STATUS = {
    400: "parameter_invalid",
    401: "token_missing",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "encoding_unknown",
    503: "not_ready",
}

# A value that PostgreSQL, or the driver for it, cannot take: NUL in text, a lone surrogate, a number out of range.
_UNSTORABLE = (asyncpg.DataError, asyncpg.exceptions._base.DataError, UnicodeError)  # pyright: ignore[reportPrivateUsage]

_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    # The driver's word for a connection that died between two of its messages.
    asyncpg.InternalClientError,
    ConnectionError,
    TimeoutError,
)

# These say what was expected and quote nothing that was sent.
_HARMLESS = ("Expected ", "Object missing required field ")
_MISSING = re.compile(r"Missing required [a-z]+ parameter '([A-Za-z_-]{1,40})'")


def handlers() -> dict[int | type[Exception], Any]:
    """The exception handlers of the application."""
    return {
        Problem: answer_problem,
        ValidationException: _answer_invalid,
        HTTPException: _answer_http,
        Exception: _answer_other,
    }


def answer_problem(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    """A refusal as it goes out."""
    return problem_response(request, problem)


def problem_response(
    request: Request[Any, Any, Any],
    problem: Problem,
    headers: dict[str, str] | None = None,
    checks: dict[str, str] | None = None,
) -> Response[bytes]:
    """The answer to a request that is refused; `checks` says which parts of the service failed."""
    language = preferred_language(request.headers.get("accept-language", ""))
    if problem.status in (401, 429):
        AUTH_FAILURES.labels(problem.code).inc()
    return Response(
        json.encode(document(problem, language, request.scope["state"].get("request_id"), checks)),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", "Content-Language": language} | _own_headers(problem) | (headers or {}),
    )


def document(
    problem: Problem,
    language: Language,
    request_id: str | None = None,
    checks: dict[str, str] | None = None,
) -> ProblemDocument:
    """The problem in both languages; `title` and `detail` in the one asked for."""
    kind = CATALOGUE[problem.code]
    return ProblemDocument(
        type=f"/errors/{problem.code}",
        title=kind.zh if language == "zh" else kind.en,
        status=problem.status,
        detail=problem.zh if language == "zh" else problem.en,
        code=problem.code,
        zh=problem.zh,
        en=problem.en,
        field=problem.field,
        request_id=request_id,
        checks=checks,
    )


def preferred_language(accept_language: str) -> Language:
    """zh, unless the header gives English more weight."""
    weights: dict[str, float] = {}
    for part in accept_language.split(","):
        tag, _, parameters = part.strip().partition(";")
        weights.setdefault(tag[:2].lower(), _weight(parameters))
    return "en" if weights.get("en", 0.0) > weights.get("zh", weights.get("*", 0.0)) else "zh"


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _own_headers(problem: Problem) -> dict[str, str]:
    headers: dict[str, str] = {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    return headers


def _answer_invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    extra: Any = error.extra
    first: dict[str, Any] = extra[0] if isinstance(extra, list) and extra else {}
    message = str(first.get("message", "")).partition(" - at ")[0]
    expected = f" {message}." if message.startswith(_HARMLESS) else ""
    missing = _MISSING.match(error.detail)
    name = missing[1] if missing else _parameter_name(str(first.get("key", "")), message)
    if first.get("source") == "header":
        # The handler's own name, spelled as the field.
        name = name.replace("_", "-").title()
    problem = Problem(
        "parameter_invalid",
        field=name or None,
        detail_zh=f"参数 {name} 不正确。" if name else None,
        detail_en=f"The parameter {name} is not valid.{expected}" if name else f"The body is not valid.{expected}",
    )
    return problem_response(request, problem)


def _parameter_name(key: str, message: str) -> str:
    """The name as the client knows it: the framework calls the whole body `data`."""
    if key != "data":
        return key.removeprefix("data.")
    return message.split("`")[1] if message.startswith("Object missing") else ""


def _answer_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    if isinstance(error, InternalServerException):
        return _answer_framework_failure(request, error)
    code = _BY_STATUS.get(error.status_code, "parameter_invalid")
    if error.status_code == 400 and error.detail.startswith(("Failed to decode", "Malformed", "malformed")):
        code = "body_malformed"
    return problem_response(request, Problem(code), dict(error.headers or {}))


def answer_unavailable(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What the service stands on does not answer; the client is to come back."""
    _log.error("part_unavailable", **failure(error))
    return problem_response(request, Problem("not_ready", retry_after=5))


def _answer_framework_failure(request: Request[Any, Any, Any], error: InternalServerException) -> Response[bytes]:
    if error.detail == "client disconnected prematurely":
        return problem_response(request, Problem("body_malformed"))
    return _answer_other(request, error)


def _answer_other(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if isinstance(error, _UNSTORABLE):
        _log.warning("value_refused", **failure(error))
        return problem_response(request, Problem("parameter_invalid"))
    if isinstance(error, RecursionError):
        return problem_response(request, Problem("body_malformed"))
    if isinstance(error, _UNAVAILABLE):
        return answer_unavailable(request, error)
    _log.error("internal_error", **failure(error))
    return problem_response(request, Problem("internal_error"))
