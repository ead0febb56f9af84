"""Signing in and out."""

from __future__ import annotations

import re
import secrets
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.response import Redirect

from server.console import cookies
from server.console.pages import page
from server.console.visit import AnyRequest, Visit, address_of, language_of, read_form, remember_language
from server.console.words import text
from server.errors import Problem
from server.metrics import AUTH_FAILURES
from server.services import Services
from server.usecases import sessions

_OWN_PAGE = re.compile(r"/console/[A-Za-z0-9/_?=&%.-]*")
_HOME = "/console/"


def sign_in_address(request: Request[Any, Any, Any], *, ended: bool) -> str:
    """Where somebody who is not signed in is sent; afterwards he finds himself where he wanted to be."""
    wanted = address_of(request).rstrip("?&") if request.method == "GET" else _HOME
    query = {"ended": "1"} if ended else {}
    if wanted.rstrip("/") != _HOME.rstrip("/"):
        query["next"] = wanted
    return f"/console/sign-in?{urlencode(query)}" if query else "/console/sign-in"


@get("/sign-in")
async def show(request: AnyRequest, services: NamedDependency[Services]) -> Response[str]:
    """The form."""
    keys = {"ended": "sign_in.ended", "left": "sign_in.left"}
    message = next((key for name, key in keys.items() if name in request.query_params), None)
    return _form(request, services, message=message)


@post("/sign-in", status_code=200)
async def take(request: AnyRequest, services: NamedDependency[Services]) -> Response[Any]:
    """Sign in, or say why not; a wrong number and a wrong password are told in the same words."""
    form = await read_form(request)
    phone, password = str(form.get("phone", "")).strip(), str(form.get("password", ""))
    if not _from_our_form(request, form):
        return _form(request, services, form, problem=Problem("csrf_failed"))
    try:
        if len(phone) > 20 or len(password) > 200:
            raise Problem("login_failed")
        token = await sessions.sign_in_to_console(services, phone, password, request.scope["state"].get("request_id"))
    except Problem as problem:
        return _form(request, services, form, problem=problem)
    wanted = str(form.get("next", ""))
    answer = Redirect(wanted if _OWN_PAGE.fullmatch(wanted) else _HOME, status_code=303)
    cookies.keep(request, answer, cookies.SESSION, token)
    cookies.forget(answer, cookies.GUEST)
    return answer


@post("/sign-out", status_code=303)
async def leave(visit: NamedDependency[Visit]) -> Redirect:
    """End the session, here and on the server."""
    await sessions.sign_out(visit.services, visit.caller)
    answer = Redirect("/console/sign-in?left=1", status_code=303)
    cookies.forget(answer, cookies.SESSION)
    return answer


def _from_our_form(request: AnyRequest, form: FormMultiDict) -> bool:
    """Whether form and cookie hold the same secret: another site can send the one, but not know or set the other."""
    secret = request.cookies.get(cookies.GUEST, "")
    return bool(secret) and compare_digest(str(form.get("csrf", "")).encode(), secret.encode())


def _form(
    request: AnyRequest,
    services: Services,
    given: FormMultiDict | None = None,
    *,
    message: str | None = None,
    problem: Problem | None = None,
) -> Response[str]:
    language = language_of(request)
    secret = request.cookies.get(cookies.GUEST) or secrets.token_urlsafe(16)
    answer = page(
        services.settings,
        language,
        "sign_in.html",
        status=problem.status if problem else 200,
        address=address_of(request),
        csrf=secret,
        kind="refused" if problem else "done",
        message=_words(problem, language) if problem else message and text(language, message),
        minutes=services.settings.console_idle_minutes,
        next=str((given or request.query_params).get("next", "")),
        phone=str(given.get("phone", "")) if given else "",
    )
    cookies.keep(request, answer, cookies.GUEST, secret)
    return remember_language(request, answer)


def _words(problem: Problem, language: Any) -> str:
    if problem.status in (401, 429):
        AUTH_FAILURES.labels(problem.code).inc()
    if problem.code == "login_locked":
        return text(language, "sign_in.locked", minutes=-(-(problem.retry_after or 60) // 60))
    return problem.zh if language == "zh" else problem.en
