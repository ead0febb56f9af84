"""`/v1/exchange/dictionary`: what exchanges can be compressed with where phone and server both hold it (RFC 9842)."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.openapi import ResponseSpec

from server import shared_dictionary
from server.api.conditional import HELD, names

_BYTES = "application/octet-stream"
_OFFER = {
    "Use-As-Dictionary": 'match="/v1/*"',
    "Cache-Control": "public, max-age=604800",
}


@get(
    "/v1/exchange/dictionary",
    tags=["exchange"],
    summary="压缩词典 / The shared dictionary of compression",
    media_type=_BYTES,
    responses=HELD | {200: ResponseSpec(bytes, description="词典 The dictionary", media_type=_BYTES)},
)
async def dictionary(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The bytes whose SHA-256 a client names as `Available-Dictionary`, to be answered in `dcz`; no secret, no data."""
    etag = f'"{shared_dictionary.digest().hex()}"'
    if names(request.headers.get("if-none-match", ""), etag):
        return Response(b"", status_code=304, headers=_OFFER | {"ETag": etag})
    headers = _OFFER | {"ETag": etag}
    return Response(shared_dictionary.content(), media_type=_BYTES, headers=headers)
