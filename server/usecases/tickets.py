"""The signed enrolment ticket: what a device shows to a database that has forgotten it.

A database that was restored from a backup does not know the devices enrolled after that backup. The ticket says which
device it was, whose, and since when; the installation believes it because only the installation can have signed it.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import NamedTuple
from uuid import UUID

from schemas.accounts import EnrolmentRequest, TokenPair
from server.db import audit, people, push, sessions
from server.db.database import Transaction
from server.db.sessions import NewDevice
from server.errors import Problem
from server.sealing import Keyring
from server.services import Services
from server.usecases.sessions import begin_session, repeat_first_pair

_VERSION = 1
# Version, device, user, enrolled at (microseconds since 1970), blind index of `install`. With 16 bytes of MAC these are
# 75 bytes, so the text has no bits to spare and each ticket is written in one way only.
_STATEMENT = Struct(">B16s16sq18s")
_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Ticket(NamedTuple):
    """What a ticket states."""

    device_id: UUID
    user_id: UUID
    enrolled_at: datetime


class Arrived(NamedTuple):
    """A device as its enrolment or its return leaves it, with its first tokens."""

    device_id: UUID
    user_id: UUID
    name: str
    roles: list[str]
    enrolled_at: datetime
    pair: TokenPair


def write_ticket(keyring: Keyring, ticket: Ticket, install: str) -> str:
    """A ticket as text, good for the installation of the app that calls itself `install` alone."""
    enrolled_at = (ticket.enrolled_at - _1970) // _MICROSECOND
    bound_to = _bound_to(keyring, install)
    statement = _STATEMENT.pack(_VERSION, ticket.device_id.bytes, ticket.user_id.bytes, enrolled_at, bound_to)
    return urlsafe_b64encode(statement + keyring.token("ticket", statement)).rstrip(b"=").decode()


def read_ticket(keyring: Keyring, text: str, install: str) -> Ticket | None:
    """What a ticket states; None for one that this installation did not sign, or signed for another `install`."""
    try:
        raw = urlsafe_b64decode(text)
    except ValueError:
        return None
    statement, mac = raw[: _STATEMENT.size], raw[_STATEMENT.size :]
    if len(statement) < _STATEMENT.size or not hmac.compare_digest(mac, keyring.token("ticket", statement)):
        return None
    _, device_id, user_id, enrolled_at, bound_to = _STATEMENT.unpack(statement)
    if not hmac.compare_digest(bound_to, _bound_to(keyring, install)):
        return None
    return Ticket(UUID(bytes=device_id), UUID(bytes=user_id), _1970 + enrolled_at * _MICROSECOND)


async def come_back(tx: Transaction, services: Services, wish: EnrolmentRequest, request_id: str | None) -> Arrived:
    """Make a forgotten device known again, under its own id and for the same user.

    A user who has left is given nothing, but what he wrote before still has to arrive. Raises Problem: ticket_invalid,
    also where the user is unknown; device_known where the device is here, revoked or not. Until a token of the answer
    is first used, the same request is answered the same way.
    """
    ticket = read_ticket(services.keyring, wish.ticket or "", wish.install)
    if ticket is None:
        raise Problem("ticket_invalid", field="ticket")
    person = await people.find_person(tx.connection, user_id=ticket.user_id, or_left=True)
    if person is None:
        raise Problem("ticket_invalid", field="ticket")
    session_id = await _session_of_return(tx, services.keyring, ticket.device_id)
    device = await sessions.lock_device(tx.connection, ticket.device_id)
    if device is None:
        pair = await _know_again(tx, services, wish, ticket, session_id, request_id)
    else:
        pair = None if device.revoked else await repeat_first_pair(tx, services, session_id)
    if pair is None:
        raise Problem("device_known", field="ticket")
    roles = sorted({held.role for held in person.assignments})
    return Arrived(ticket.device_id, person.id, person.name, roles, ticket.enrolled_at, pair)


async def _know_again(
    tx: Transaction,
    services: Services,
    wish: EnrolmentRequest,
    ticket: Ticket,
    session_id: UUID,
    request_id: str | None,
) -> TokenPair:
    device = NewDevice(
        id=ticket.device_id,
        user_id=ticket.user_id,
        name=wish.name,
        platform=wish.platform,
        app=wish.app,
        enrolled_at=ticket.enrolled_at,
    )
    await sessions.insert_device(tx.connection, device)
    pair = await begin_session(tx, services, session_id, "device", device.user_id, device.id)
    await audit.record(
        tx.connection, device.user_id, "device.returned", "device", str(device.id), request_id=request_id
    )
    return pair


async def _session_of_return(tx: Transaction, keyring: Keyring, device_id: UUID) -> UUID:
    """The id of the session that a return begins: another one than the device had, or its oldest tokens would be good
    again; and always the same one within an epoch, in which a device can be forgotten only once.
    """
    epoch = await push.current_epoch(tx.connection)
    return UUID(bytes=keyring.token("session of return", device_id.bytes + epoch.encode()))


def _bound_to(keyring: Keyring, install: str) -> bytes:
    return keyring.index("install", install)[:18]
