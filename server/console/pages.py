"""How a page is made: templates, words, and the headers that every page carries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from markupsafe import Markup

from server.console import clock
from server.console.words import Language, text
from server.settings import Settings

_STATIC = files("server.console") / "static"

_templates = Environment(
    loader=PackageLoader("server.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(settings: Settings, language: Language, template: str, *, status: int = 200, **values: Any) -> Response[str]:
    """A page in a language. Every value is escaped where it is put in."""
    html = _templates.get_template(template).render(
        language=language,
        t=partial(text, language),
        moment=partial(_moment, language, clock.shown),
        brief=partial(_moment, language, clock.brief),
        stylesheet=static_address("console.css"),
        icon=static_address("icon.svg"),
        **values,
    )
    return Response(html, status_code=status, media_type="text/html", headers=_headers(settings))


def static_address(name: str) -> str:
    """Where a static file is served; the address changes with its content, so it may be kept for good."""
    return f"/console/static/{name}?v={sha256(static_file(name)).hexdigest()[:12]}"


@cache
def static_file(name: str) -> bytes:
    """The bytes of a static file. Raises FileNotFoundError."""
    return (_STATIC / name).read_bytes()


def _headers(settings: Settings) -> dict[str, str]:
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _policy(settings),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }


def _policy(settings: Settings) -> str:
    """Nothing but our own styles, our own icon, and photos from the object store; no scripts at all."""
    store = urlsplit(settings.phones_s3_endpoint)
    return (
        f"default-src 'none'; style-src 'self'; img-src 'self' {store.scheme}://{store.netloc}; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _moment(language: Language, words: Callable[[Language, datetime], str], at: datetime) -> Markup:
    """A point in time, in Beijing time, as a <time> element."""
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), words(language, at))
