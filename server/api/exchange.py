"""`/v1/exchange`: the bytes of the device protocol, in and out; everything else is the use case's."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Annotated, Any
from uuid import UUID

import zstandard
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import Parameter
from litestar.status_codes import HTTP_200_OK
from msgspec import Struct

from server import shared_dictionary
from server.api.session_guard import ADMITS_REVOKED, SECURITY
from server.errors import Problem
from server.services import Services
from server.usecases.exchange import exchange, nothing_new
from server.usecases.sessions import Caller
from sync.framing import Form, Unreadable, decode_request, encode_answer

_FORMS: dict[str, Form] = {
    "application/json": "json",
    "application/x-ndjson": "json",
    "application/msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
    "application/vnd.msgpack": "msgpack",
}
_MEDIA_TYPES: dict[Form, str] = {"json": "application/json", "msgpack": "application/msgpack"}


@post("/", status_code=HTTP_200_OK, summary="推送变更集并拉取更新 / Push change sets and pull what is new")
async def post_exchange(
    request: Request[Any, Any, Any], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> Response[bytes]:
    """JSON lines or one MessagePack map in, an `ExchangeAnswer` out; see docs/protocol.md."""
    _device(caller)
    form = _form(request.headers.get("content-type", "application/json"))
    body = _decompress(await request.body(), request.headers.get("content-encoding"), services.settings.max_body_bytes)
    try:
        header, sets = decode_request(body, form)
    except Unreadable as unreadable:
        raise Problem("body_malformed", field=unreadable.where) from unreadable
    answer_form = _answer_form(request.headers.get("accept", ""), form)
    answer = await exchange(services, caller, header, sets, answer_form)
    return Response(
        encode_answer(answer, answer_form), media_type=_MEDIA_TYPES[answer_form], headers={"Vary": "Accept"}
    )


class Changed(Struct, frozen=True):
    """An exchange would bring something."""

    changed: bool


@get(
    "/",
    summary="有无更新 / Is there anything new?",
    responses={204: ResponseSpec(None, description="没有更新 Nothing new")},
)
async def get_exchange(
    services: NamedDependency[Services], caller: NamedDependency[Caller], mark: Annotated[str, Parameter(max_length=64)]
) -> Response[Changed]:
    """204 where a device with this mark holds everything; 200 where an exchange would bring something."""
    _device(caller)
    if await nothing_new(services, caller, mark):
        return Response(None, status_code=204)  # pyright: ignore[reportReturnType]
    return Response(Changed(changed=True))


def _device(caller: Caller) -> UUID:
    if caller.device_id is None:
        raise Problem("device_needed")
    return caller.device_id


def _form(content_type: str) -> Form:
    form = _FORMS.get(content_type.partition(";")[0].strip().lower())
    if form is None:
        raise Problem("encoding_unknown", field="Content-Type")
    return form


def _answer_form(accept: str, request_form: Form) -> Form:
    """The first form that `Accept` names; what it does not name is answered as it was asked."""
    for part in accept.split(","):
        form = _FORMS.get(part.partition(";")[0].strip().lower())
        if form is not None:
            return form
    return request_form


def _decompress(body: bytes, encoding: str | None, limit: int) -> bytes:
    """The plain body; one that would grow beyond the limit is refused before it is unpacked in full."""
    try:
        match (encoding or "identity").strip().lower():
            case "identity":
                return body
            case "gzip":
                plain = gzip.GzipFile(fileobj=io.BytesIO(body)).read(limit + 1)
            case "zstd":
                plain = zstandard.ZstdDecompressor().stream_reader(body).read(limit + 1)
            case "dcz":
                plain = shared_dictionary.decompress(body, limit + 1)
            case _:
                raise Problem("encoding_unknown", field="Content-Encoding")
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise Problem("body_malformed", field="Content-Encoding") from error
    if len(plain) > limit:
        raise Problem("body_too_large")
    return plain


ROUTER = Router(
    "/v1/exchange",
    route_handlers=[post_exchange, get_exchange],
    tags=["exchange"],
    security=SECURITY,
    # A revoked device is answered: what it still holds is kept, and it is given nothing.
    opt=ADMITS_REVOKED,
)
