"""Photos: declaring them, taking in their bytes, reading them."""

from __future__ import annotations

import re
from typing import Annotated

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from schemas.evidence import (
    DeclarationAnswer,
    PhotoAddress,
    PhotoRef,
    PhotosDeclared,
    PhotosUploaded,
    UploadedAnswer,
)
from server.api.session_guard import ADMITS_DEPARTED, SECURITY
from server.errors import Problem
from server.services import Services
from server.usecases import evidence
from server.usecases.sessions import Caller

_PHOTO = re.compile(r"([0-9a-f]{64})-([1-9][0-9]{0,14})")


@post(
    "/",
    status_code=200,
    summary="申报照片并取得上传地址 Declare photos and get where to send them",
    opt=ADMITS_DEPARTED,
)
async def declare_photos(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[PhotosDeclared]
) -> DeclarationAnswer:
    """How far each photo has come, and an address to PUT its bytes to where they are missing."""
    return DeclarationAnswer(await evidence.declare(services, caller, data.photos))


@post("/uploaded", status_code=200, summary="告知照片已上传 Say that photos were sent", opt=ADMITS_DEPARTED)
async def photos_uploaded(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[PhotosUploaded]
) -> UploadedAnswer:
    """The server looks for the bytes and has them checked; saying it again does no harm."""
    return await evidence.take_in(services, caller, data.uploads)


@get("/{photo:str}", summary="取得照片的读取地址 Get where to read a photo")
async def photo_address(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    photo: Annotated[
        str, PathParameter(pattern=f"^{_PHOTO.pattern}$", description="SHA-256, a hyphen and the number of bytes")
    ],
    thumbnail: Annotated[bool, QueryParameter(description="the thumbnail instead of the photo")] = False,
) -> Response[PhotoAddress]:
    """A short-lived address, for who may read an item that holds the photo; each is written to the audit trail."""
    parts = _PHOTO.fullmatch(photo)
    if parts is None:
        raise Problem("parameter_invalid", field="photo")
    ref = PhotoRef(parts[1], int(parts[2]))
    address = await evidence.read_address(services, caller, ref, thumbnail=thumbnail)
    return Response(address, headers={"Cache-Control": "no-store"})


ROUTER = Router(
    "/v1/evidence",
    route_handlers=[declare_photos, photos_uploaded, photo_address],
    tags=["evidence"],
    security=SECURITY,
)
