"""One request of somebody who is signed in: who he is, in which language he reads, and what protects his forms."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hmac import compare_digest
from typing import Any
from urllib.parse import quote
from uuid import UUID

from litestar import Request, Response
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.response import Redirect

from server.console import cookies
from server.console.flash import Flash, take_flash
from server.console.navigation import Link, links_for
from server.console.pages import page
from server.console.words import Language, text
from server.errors import Problem
from server.problems import preferred_language
from server.services import Services
from server.usecases.sessions import Caller, identify_console

AnyRequest = Request[Any, Any, Any]


class SignInNeededError(Exception):
    """Nobody is signed in; `ended`: somebody was. The page asked for is shown after signing in."""

    def __init__(self, ended: bool) -> None:
        super().__init__()
        self.ended = ended


class Visit:
    """A signed-in person's request, and how it is answered."""

    def __init__(self, request: AnyRequest, services: Services, caller: Caller) -> None:
        self.request = request
        self.services = services
        self.caller = caller
        self.language: Language = language_of(request)
        self.csrf = csrf_token(services, caller)

    def say(self, key: str, **values: object) -> str:
        """The words of a key in the reader's language."""
        return text(self.language, key, **values)

    def either(self, zh: str, en: str) -> str:
        """One of two texts that stand beside each other in the catalogue; Chinese where there is no English."""
        return zh if self.language == "zh" or not en else en

    def type_name(self, code: str) -> str:
        """What an item type is called."""
        item_type = self.services.catalogue.types[code].type
        return self.either(item_type.name_zh, item_type.name_en)

    def urgency(self, code: str) -> str:
        """What an urgency is called."""
        return next(
            self.either(one.zh, one.en) for one in self.services.catalogue.source.urgency_levels if one.code == code
        )

    def grid_words(self, grid_id: UUID | None) -> tuple[str, str]:
        """A grid's name and code; without a current grid, that it is not settled."""
        label = self.services.registry.labels.get(grid_id) if grid_id else None
        return (label.name, label.code) if label else (self.say("queue.no_grid"), "")

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response[str]:
        """A page with everything around it; a message that waited for the next page is shown and forgotten."""
        flash = take_flash(self.request)
        answer = page(
            self.services.settings,
            self.language,
            template,
            status=status,
            visit=self,
            here=self.request.url.path,
            address=address_of(self.request),
            flash=flash,
            **values,
        )
        if flash is not None:
            cookies.forget(answer, cookies.FLASH)
        return remember_language(self.request, answer)

    def go(self, address: str, flash: Flash | None = None) -> Redirect:
        """On to another page, which is to show a message."""
        answer = Redirect(address, status_code=303)
        if flash is not None:
            cookies.keep(self.request, answer, cookies.FLASH, flash.packed(), seconds=60)
        return answer

    @property
    def server_address(self) -> str:
        """Where this server is, as the reader's browser found it."""
        return f"{'https' if cookies.by_tls(self.request) else 'http'}://{self.request.url.netloc}"

    @property
    def links(self) -> list[Link]:
        """Where this person may go."""
        return links_for(self.caller.roles)

    @property
    def posts(self) -> list[str]:
        """His roles in words."""
        names = {role.code: self.either(role.zh, role.en) for role in self.services.catalogue.source.roles}
        return [names[role] for role in sorted(self.caller.roles)]


async def provide_visit(request: AnyRequest, services: NamedDependency[Services]) -> Visit:
    """The dependency `visit`. Raises SignInNeededError; Problem `csrf_failed` for a form that is not from our pages."""
    token = request.cookies.get(cookies.SESSION)
    if not token:
        raise SignInNeededError(ended=False)
    try:
        caller = await identify_console(services, token, request.scope["state"].get("request_id"))
    except Problem as problem:
        if problem.status == 401:
            raise SignInNeededError(ended=True) from None
        raise
    request.scope["state"]["caller"] = caller
    visit = Visit(request, services, caller)
    request.scope["state"]["visit"] = visit
    if request.method != "GET":
        form = await read_form(request)
        if not compare_digest(str(form.get("csrf", "")).encode(), visit.csrf.encode()):
            raise Problem("csrf_failed")
    return visit


def visit_of(request: AnyRequest) -> Visit | None:
    """The visit of this request, once it is known who is there."""
    return request.scope["state"].get("visit")


async def provide_form(request: AnyRequest, visit: NamedDependency[Visit]) -> FormMultiDict:
    """The dependency `form`: the fields of a form whose origin `visit` has checked."""
    return await read_form(request)


async def read_form(request: AnyRequest) -> FormMultiDict:
    """A form's fields. Raises Problem: encoding_unknown, body_malformed."""
    if request.content_type[0] != RequestEncodingType.URL_ENCODED:
        raise Problem("encoding_unknown")
    try:
        return await request.form()
    except (ValueError, UnicodeError):
        raise Problem("body_malformed") from None


def csrf_token(services: Services, caller: Caller) -> str:
    """What every form of a session holds: it follows from the session, and nobody else can make it."""
    seed = caller.session_id.bytes if caller.session_id else caller.user_id.bytes
    return urlsafe_b64encode(services.keyring.token("csrf", seed)).decode().rstrip("=")


def language_of(request: AnyRequest) -> Language:
    """The language just switched to, else the one kept, else what the browser asks for; Chinese if it asks nothing."""
    for chosen in (request.query_params.get("lang"), request.cookies.get(cookies.LANGUAGE)):
        if chosen == "zh":
            return "zh"
        if chosen == "en":
            return "en"
    return preferred_language(request.headers.get("accept-language", ""))


def remember_language(request: AnyRequest, answer: Response[str]) -> Response[str]:
    """Keep a language that was just switched to."""
    if request.query_params.get("lang") in ("zh", "en"):
        cookies.keep(request, answer, cookies.LANGUAGE, language_of(request), seconds=365 * 86_400)
    return answer


def address_of(request: AnyRequest) -> str:
    """This page's own address, ready for `lang=` to be added."""
    kept = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
    query = "&".join(f"{quote(key)}={quote(value)}" for key, value in kept)
    return f"{request.url.path}?{query}&" if query else f"{request.url.path}?"
