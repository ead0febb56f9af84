"""What an app, an office and the server say to each other about sign-in, enrolment and the registry."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

Words = Annotated[str, Meta(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A short line of text; no control characters."""

EnrolmentCode = Annotated[str, Meta(min_length=8, max_length=40, pattern=r"^[0-9A-Za-z -]+$")]
RefreshToken = Annotated[str, Meta(min_length=22, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Phone = Annotated[str, Meta(pattern=r"^1[0-9]{10}$")]
PersonKey = Annotated[str, Meta(pattern=r"^(1[0-9]{10}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$")]
"""A login phone or a user's id."""
Password = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Seconds = Annotated[int, Meta(ge=1)]


class EnrolmentRequest(Struct, frozen=True):
    """An app's first words. `install` is random text that the app makes once, when it is installed."""

    code: EnrolmentCode
    install: Annotated[str, Meta(min_length=8, max_length=200, pattern=r"^[\x21-\x7e]+$")]
    name: Words = ""
    platform: Words = ""
    app: Words = ""


class TokenPair(Struct, frozen=True):
    """A short access token, sent with every request, and the longer refresh token that gets the next pair."""

    access: str
    access_expires_in: Seconds
    refresh: str


class Enrolled(Struct, frozen=True):
    """The device that the server made for an app, whose it is, and its first tokens."""

    device: UUID
    user: UUID
    name: str
    roles: list[str]
    epoch: str
    access: str
    access_expires_in: Seconds
    refresh: str


class RefreshGrant(Struct, frozen=True, tag_field="grant", tag="refresh"):
    """The next pair for a refresh token."""

    refresh: RefreshToken


class PasswordGrant(Struct, frozen=True, tag_field="grant", tag="password"):
    """A first pair for a person at an office."""

    phone: Phone
    password: Password


class CodesRequest(Struct, frozen=True):
    """Enrolment codes for one person (`user`: id or phone), or for those of the caller's people with fewest devices."""

    user: PersonKey | None = None
    count: Annotated[int, Meta(ge=1, le=500)] = 1


class NewCode(Struct, frozen=True):
    """A one-time code; it is shown only in this answer."""

    code: str
    user: UUID
    expires_at: datetime


class Codes(Struct, frozen=True):
    """The codes that were made."""

    codes: list[NewCode]


class GridView(Struct, frozen=True):
    """A current grid. `outline`: rings of WGS-84 [lon, lat], the outer one first.

    `synthetic`: the outline was made for a demonstration and is no survey.
    """

    id: UUID
    code: str
    name: str
    kind: Literal["general", "temporary", "dedicated"]
    community: str
    community_zh: str
    community_en: str
    outline: list[list[tuple[float, float]]]
    synthetic: bool


class RegistryView(Struct, frozen=True):
    """The grids of the caller's scope at a registry version."""

    version: int
    grids: list[GridView]


class ProblemDocument(Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details, with a stable `code` and the words in both languages."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    zh: str
    en: str
    field: str | None = None
    request_id: str | None = None
    checks: dict[str, Any] | None = None
