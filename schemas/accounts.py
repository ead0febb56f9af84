"""What an app, an office and the server say to each other about sign-in, enrolment and the registry."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

Words = Annotated[str, Meta(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A short line of text; no control characters."""

EnrolmentCode = Annotated[str, Meta(min_length=8, max_length=40, pattern=r"^[0-9A-Za-z -]+$")]
EnrolmentTicket = Annotated[str, Meta(min_length=20, max_length=400, pattern=r"^[A-Za-z0-9_-]+$")]
RefreshToken = Annotated[str, Meta(min_length=22, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Install = Annotated[str, Meta(min_length=8, max_length=200, pattern=r"^[\x21-\x7e]+$")]
"""What an app calls itself."""
Phone = Annotated[str, Meta(pattern=r"^1[0-9]{10}$")]
PersonKey = Annotated[str, Meta(pattern=r"^(1[0-9]{10}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$")]
"""A login phone or a user's id."""
Password = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Seconds = Annotated[int, Meta(ge=1)]


class EnrolmentRequest(Struct, frozen=True, kw_only=True):
    """An app's first words, with either a code or the ticket of its enrolment.

    `install` is random text that the app makes once, when it is installed.
    """

    code: EnrolmentCode | None = None
    ticket: EnrolmentTicket | None = None
    install: Install
    name: Words = ""
    platform: Words = ""
    app: Words = ""


class SetRef(Struct, frozen=True):
    """A change set by its number and the hash of its bytes."""

    no: Annotated[int, Meta(ge=1, le=2**53)]
    hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Backup(Struct, frozen=True):
    """What a restored phone still has of the device that it was: its ticket, its `install`, its last refresh token."""

    ticket: EnrolmentTicket
    install: Install
    refresh: RefreshToken


class ForkRequest(Struct, frozen=True, kw_only=True):
    """What an app says that was restored from a backup, in order to become a device of its own.

    `install`: random text that it makes for this, and calls itself from now on. `refused`: the set that was answered
    `forked`, by an app whose access token is good; `backup`: by one whose tokens were succeeded.
    """

    install: Install
    refused: SetRef | None = None
    backup: Backup | None = None
    name: Words = ""
    platform: Words = ""
    app: Words = ""


class Limits(Struct, frozen=True):
    """What an app has to keep to: bytes of a change set, of a body, of a page pulled; days of the offline lease."""

    set_bytes: int
    body_bytes: int
    page_bytes: int
    lease_days: int


class TokenPair(Struct, frozen=True):
    """A short access token, sent with every request, and the longer refresh token that gets the next pair.

    `limits` are those of now; settings change.
    """

    access: str
    access_expires_in: Seconds
    refresh: str
    limits: Limits


class Enrolled(Struct, frozen=True):
    """The device that the server made for an app, whose it is, and its first tokens.

    `ticket`: opaque text of at most 400 characters that the app keeps. A server whose database has forgotten the device
    takes it back for it.
    """

    device: UUID
    user: UUID
    name: str
    roles: list[str]
    epoch: str
    access: str
    access_expires_in: Seconds
    refresh: str
    ticket: str
    limits: Limits


class RefreshGrant(Struct, frozen=True, tag_field="grant", tag="refresh"):
    """The next pair for a refresh token."""

    refresh: RefreshToken


class PasswordGrant(Struct, frozen=True, tag_field="grant", tag="password"):
    """A first pair for a person at an office."""

    phone: Phone
    password: Password


class CodesRequest(Struct, frozen=True):
    """Enrolment codes for one person (`user`: id or phone), or for those of the caller's people with fewest devices.

    Without `user` they are for people who may write on a phone, which advisers may not.
    """

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


class MicroGridView(Struct, frozen=True):
    """A part of a grid that has a number of its own: the grid's code, a hyphen and two digits."""

    code: str
    name: str


class GridView(Struct, frozen=True):
    """A current grid. `outline`: rings of WGS-84 [lon, lat], the outer one first.

    `printed`: the 16 digits of its plate and QR code. `compounds`: names of the housing estates in it. `synthetic`: the
    outline was made for a demonstration and is no survey. `valid_from`, `valid_to`: the first and the last day, by the
    clocks of the city, as the registry's file has them; None where it names none.
    """

    id: UUID
    code: str
    printed: str
    name: str
    kind: Literal["general", "temporary", "dedicated"]
    community: str
    community_zh: str
    community_en: str
    compounds: list[str]
    micro_grids: list[MicroGridView]
    outline: list[list[tuple[float, float]]]
    synthetic: bool
    valid_from: date | None = None
    valid_to: date | None = None


class RegistryView(Struct, frozen=True):
    """The grids of the caller's scope at a registry version.

    `scope`: the ids of all of them. `since`: `grids` holds only those that changed after that version; None: all.
    """

    version: int
    since: int | None
    scope: list[UUID]
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
