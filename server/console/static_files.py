"""The stylesheet and the icon. Their addresses change with their content, so browsers keep them for good."""

from __future__ import annotations

from litestar import Response, get
from litestar.params import FromPath

from server.console.pages import static_file
from server.errors import Problem

_TYPES = {"console.css": "text/css", "icon.svg": "image/svg+xml"}


@get("/static/{name:str}")
async def static(name: FromPath[str]) -> Response[bytes]:
    """A file of the console."""
    if name not in _TYPES:
        raise Problem("not_found")
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    return Response(static_file(name), media_type=_TYPES[name], headers=headers)
