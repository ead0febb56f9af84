"""Answers that a client may already hold (RFC 9110, section 13)."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.openapi import ResponseSpec

HELD = {304: ResponseSpec(None, description="与 If-None-Match 所指相同 What If-None-Match names is current")}
"""What the OpenAPI document says beside 200."""


def unless_held(
    request: Request[Any, Any, Any], body: bytes, etag: str, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """`body` as JSON with its entity tag, or 304 where If-None-Match names it."""
    common = {"ETag": etag, "Cache-Control": "private, no-cache"} | (headers or {})
    if names(request.headers.get("if-none-match", ""), etag):
        return Response(b"", status_code=304, headers=common)
    return Response(body, media_type="application/json", headers=common)


def names(if_none_match: str, etag: str) -> bool:
    """Whether If-None-Match names the tag, by weak comparison: the bytes may have gone out compressed."""
    given = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in given or etag in given
