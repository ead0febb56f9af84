"""`/v1/uploads`: photos by appends that are resumed, as tus 1.0.0 says.

https://tus.io/protocols/resumable-upload, version 1.0.0 of 2016-03-25: the core and the extensions of `EXTENSIONS`.
HEAD comes here as GET (`server.access_log`). `Tus` stands around the router for what concerns every request.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator
from contextlib import aclosing
from email.utils import format_datetime
from time import monotonic
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Response, Router, delete, get, patch, post, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod, MediaType
from litestar.exceptions import InternalServerException
from litestar.params import FromPath, HeaderParameter
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from schemas.evidence import PhotoRef
from server.api.session_guard import ADMITS_DEPARTED, SECURITY
from server.errors import Problem
from server.services import Services
from server.storage.photos import MAX_BYTES
from server.usecases import uploads
from server.usecases.appending import BodyCut, Checksum, append
from server.usecases.sessions import Caller
from server.usecases.uploads import Progress

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
ALGORITHMS = {"sha256": 32, "sha1": 20}
"""Bytes of a checksum by the name of its algorithm, the better one first."""
PATH = "/v1/uploads"
OFFSET_STREAM = "application/offset+octet-stream"

_SECONDS_TO_LOOK_UP = 1.0
_SECONDS_OF_SILENCE = 30
_SECONDS_OF_AN_APPEND = 15 * 60
"""A line that trickles on and on is given up too; what came by it is kept, and the phone goes on by another."""
_SHA256 = re.compile(rb"[0-9a-f]{64}")
_METHODS = frozenset({b"PATCH", b"DELETE", b"HEAD", b"GET", b"POST", b"OPTIONS"})

# Was looked at before (`_check_version`): a parameter so that the document names it.
Resumable = Annotated[
    Literal["1.0.0"], HeaderParameter(name="Tus-Resumable", description="协议版本 The version spoken")
]
Length = Annotated[
    int, HeaderParameter(name="Upload-Length", ge=1, lt=2**53, description="字节总数 Bytes of the photo")
]
Offset = Annotated[int, HeaderParameter(name="Upload-Offset", ge=0, lt=2**53, description="已有字节 Bytes that came")]
Metadata = Annotated[
    str,
    HeaderParameter(
        name="Upload-Metadata",
        max_length=4096,
        description="含 sha256:64 位小写十六进制的 Base64 Holds sha256: base64 of 64 lower-case hexadecimal digits",
    ),
]
Sum = Annotated[
    str | None,
    HeaderParameter(name="Upload-Checksum", max_length=200, description="sha256 或 sha1 及 Base64 Name and base64"),
]


@route(["/", "/{upload_id:uuid}"], http_method=[HttpMethod.OPTIONS], include_in_schema=False)
async def options() -> Response[None]:
    """What this server can do; open to everybody."""
    headers = {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(MAX_BYTES),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return Response(None, status_code=204, headers=headers)


@post(
    "/",
    status_code=201,
    media_type=MediaType.TEXT,
    summary="申请可续传的上传 Create an upload that can be resumed",
    opt=ADMITS_DEPARTED,
)
async def create_upload(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    tus_resumable: Resumable,
    upload_length: Length,
    upload_metadata: Metadata,
    upload_checksum: Sum = None,
) -> Response[None]:
    """The caller's upload of this photo, new or with what has come of it; bytes may come along.

    `Upload-Offset` equals the length where the photo is here already.
    """
    photo = PhotoRef(_sha256(upload_metadata), upload_length)
    checksum = _checksum(upload_checksum)
    progress = await uploads.create(services, caller, photo)
    # What comes along begins with the first byte: where some have come already, it is not needed.
    if request.headers.get("content-type") == OFFSET_STREAM and progress.received == 0:
        progress = await _append(request, services, caller, progress.id, 0, checksum)
    return Response(None, headers={"Location": f"{PATH}/{progress.id}"} | _told(progress))


@get("/{upload_id:uuid}", status_code=204, summary="已收到多少字节 How far an upload has come", opt=ADMITS_DEPARTED)
async def look_at_upload(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    upload_id: FromPath[UUID],
    tus_resumable: Resumable,
) -> Response[None]:
    """As headers, whether asked with HEAD or GET."""
    progress = await uploads.look(services, caller, upload_id)
    headers = {
        "Cache-Control": "no-store",
        "Upload-Length": str(progress.size),
        "Upload-Metadata": f"sha256 {b64encode(progress.sha256.hex().encode()).decode()}",
    }
    return Response(None, status_code=204, headers=headers | _told(progress))


@patch("/{upload_id:uuid}", status_code=204, summary="续传 Append to an upload", opt=ADMITS_DEPARTED)
async def append_to_upload(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    upload_id: FromPath[UUID],
    tus_resumable: Resumable,
    upload_offset: Offset,
    upload_checksum: Sum = None,
) -> Response[None]:
    """Bytes from `Upload-Offset` on. What came before a line was cut is kept, unless a checksum was given."""
    if request.headers.get("content-type") != OFFSET_STREAM:
        raise Problem("encoding_unknown", field="Content-Type")
    checksum = _checksum(upload_checksum)
    return Response(None, headers=_told(await _append(request, services, caller, upload_id, upload_offset, checksum)))


@delete("/{upload_id:uuid}", status_code=204, summary="放弃上传 Give up an upload", opt=ADMITS_DEPARTED)
async def terminate_upload(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    upload_id: FromPath[UUID],
    tus_resumable: Resumable,
) -> None:
    """One that is not complete; what came of it is removed."""
    await uploads.terminate(services, caller, upload_id)


async def _append(
    request: Request[Any, Any, Any],
    services: Services,
    caller: Caller,
    upload_id: UUID,
    offset: int,
    checksum: Checksum | None,
) -> Progress:
    try:
        async with aclosing(_body(request)) as body:
            return await append(services, caller, upload_id, offset, body, checksum, request.content_length)
    except BodyCut:
        raise Problem("upload_stalled") from None


async def _body(request: Request[Any, Any, Any]) -> AsyncGenerator[bytes]:
    """What comes, as it comes, and b"" while nothing does; raises BodyCut at a cut line, and when it takes too long."""
    stream, silent, end = request.stream(), 0.0, monotonic() + _SECONDS_OF_AN_APPEND
    coming = asyncio.ensure_future(anext(stream, None))
    try:
        while silent < _SECONDS_OF_SILENCE and monotonic() < end:
            done, _ = await asyncio.wait([coming], timeout=_SECONDS_TO_LOOK_UP)
            if not done:
                silent += _SECONDS_TO_LOOK_UP
                yield b""
                continue
            silent = 0.0
            chunk = _come(coming)
            if chunk is None:
                return
            yield chunk
            coming = asyncio.ensure_future(anext(stream, None))
        raise BodyCut
    finally:
        coming.cancel()


def _come(coming: asyncio.Future[bytes | None]) -> bytes | None:
    try:
        return coming.result()
    except InternalServerException:
        raise BodyCut from None


def _told(progress: Progress) -> dict[str, str]:
    headers = {"Upload-Offset": str(progress.received)}
    if progress.expires_at is not None:
        headers["Upload-Expires"] = format_datetime(progress.expires_at, usegmt=True)
    return headers


def _sha256(metadata: str) -> str:
    """The photo's hash among key-value pairs, as stock clients write a text. Other pairs are neither read nor kept."""
    pairs = (pair.strip().partition(" ") for pair in metadata.split(","))
    sha256 = _decoded(next((value for key, _, value in pairs if key == "sha256"), ""))
    if sha256 is None or not _SHA256.fullmatch(sha256):
        raise Problem("parameter_invalid", field="Upload-Metadata")
    return sha256.decode()


def _checksum(given: str | None) -> Checksum | None:
    if given is None:
        return None
    algorithm, _, text = given.partition(" ")
    digest = _decoded(text)
    if digest is None or len(digest) != ALGORITHMS.get(algorithm):
        raise Problem("upload_checksum_unknown")
    return Checksum(algorithm, digest)


def _decoded(text: str) -> bytes | None:
    try:
        return b64decode(text.encode(), validate=True)
    except ValueError:
        return None


async def _check_version(request: Request[Any, Any, Any]) -> None:
    if request.method != "OPTIONS" and request.headers.get("tus-resumable") != VERSION:
        raise Problem("tus_version_unknown")


class Tus:
    """ASGI around the application: what tus asks of every request and answer below `PATH`.

    `X-HTTP-Method-Override` is the method, for networks and clients that let only POST through; each answer names the
    version that is spoken, and one that refuses another names those that there are.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or not scope["path"].startswith(PATH):
            await self._app(scope, receive, send)
            return
        method = next((value for name, value in scope["headers"] if name == b"x-http-method-override"), b"")
        if method in _METHODS:
            # What came is no HEAD to the server outside, so its answer has a body like that of a GET.
            scope = {**scope, "method": "GET" if method == b"HEAD" else method.decode()}  # pyright: ignore[reportAssignmentType]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(b"tus-resumable", VERSION.encode())]
                if message["status"] == 412:
                    own.append((b"tus-version", VERSION.encode()))
                message = {**message, "headers": [*message["headers"], *own]}  # pyright: ignore[reportAssignmentType]
            await send(message)

        await self._app(scope, receive, answer)


ROUTER = Router(
    PATH,
    route_handlers=[options, create_upload, look_at_upload, append_to_upload, terminate_upload],
    tags=["evidence"],
    security=SECURITY,
    before_request=_check_version,
    request_max_body_size=MAX_BYTES,
)
