"""What the tests of photos share: an item in a grid's stream, how a phone sends bytes, and looking at the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from schemas.evidence import DeclaredPhoto, PhotoRef, UploadedAnswer, WayIn
from schemas.wire import Capture, Fix
from server.db import evidence, items
from server.db.database import Transaction
from server.db.evidence import PhotoLink
from server.services import Services
from server.usecases.evidence import declare, take_in
from server.usecases.feeding import write_feed, writes_for_item
from server.usecases.photo_checks import check_upload
from server.usecases.sealed_items import Vault
from server.usecases.sessions import Caller
from sync.access import Assignment
from sync.feed import signed64
from sync.items import ItemState
from tests.integration.town import WORKER_EAST, Citizen, grid_id
from tests.unit.pictures import identity

WRITTEN_AT = datetime(2026, 3, 5, 1, 30, tzinfo=UTC)
WRITTEN_WHERE = (117.905, 32.705)


def caller(citizen: Citizen = WORKER_EAST) -> Caller:
    """Somebody of the town, signed in."""
    held = Assignment(
        role=citizen.role,
        grid_id=grid_id(citizen.grid) if citizen.grid else None,
        division=citizen.division,
        department=citizen.department,
        valid_from=WRITTEN_AT,
    )
    return Caller(user_id=citizen.id, name=citizen.role, kind="user", assignments=(held,))


def ref(data: bytes) -> PhotoRef:
    """What a phone says of a photo it holds."""
    sha256, size = identity(data)
    return PhotoRef(sha256.hex(), size)


async def declared(services: Services, data: bytes, who: Citizen = WORKER_EAST) -> DeclaredPhoto:
    """One photo declared by somebody."""
    (photo,) = await declare(services, caller(who), [ref(data)])
    return photo


async def way_in(services: Services, data: bytes, who: Citizen = WORKER_EAST) -> WayIn:
    """Where somebody may send a photo's bytes."""
    photo = await declared(services, data, who)
    assert photo.upload is not None
    return photo.upload


async def put(url: str, data: bytes) -> int:
    """A plain PUT as a phone sends it; the status."""
    async with httpx.AsyncClient() as client:
        return (await client.put(url, content=data)).status_code


async def fetch(url: str) -> bytes:
    """What a browser is given at this address."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    assert answer.status_code == 200
    return answer.content


async def sent(services: Services, data: bytes, who: Citizen = WORKER_EAST, *, instead: bytes | None = None) -> UUID:
    """A photo declared, sent and reported; `instead`: what is sent in its place, of the same length."""
    upload = await way_in(services, data, who)
    assert await put(upload.url, data if instead is None else instead) == 200
    answer = await reported(services, [upload.id], who)
    assert [photo.code for photo in answer.photos] == [None]
    return upload.id


async def reported(services: Services, uploads: Iterable[UUID], who: Citizen = WORKER_EAST) -> UploadedAnswer:
    """The phone says that it has sent the bytes."""
    return await take_in(services, caller(who), list(uploads))


async def verified(services: Services, data: bytes, who: Citizen = WORKER_EAST) -> UUID:
    """A photo sent and checked."""
    upload_id = await sent(services, data, who)
    await check_upload(services, upload_id)
    return upload_id


async def new_item(services: Services, *photos: bytes) -> UUID:
    """An item of the first worker, in his grid's stream, that holds these photos."""
    item_id = uuid4()
    await services.database.write(lambda tx: _insert_item(tx, services, item_id))
    await services.database.write(lambda tx: link(tx, item_id, photos))
    return item_id


async def link(tx: Transaction, item_id: UUID, photos: Iterable[bytes]) -> None:
    """What a push does for the photos that its items name."""
    links = [PhotoLink(item_id, 1, *identity(data), "report") for data in photos]
    await evidence.link_photos(tx.connection, links)


async def _insert_item(tx: Transaction, services: Services, item_id: UUID) -> None:
    item = ItemState(
        id=item_id,
        type="0401",
        grid_id=grid_id(WORKER_EAST.grid or ""),
        stream_class="grid",
        author_id=WORKER_EAST.id,
        in_own_stream=True,
        version=1,
        rev=7,
        touch=0,
        deleted=False,
        urgency="normal",
        fields={},
        captured_at=WRITTEN_AT,
        received_at=WRITTEN_AT,
        updated_at=WRITTEN_AT,
    )
    vault = Vault(services.keyring, services.catalogue)
    key = vault.new_keys([item_id])[item_id]
    await items.insert_item_keys(tx.connection, [{"item_id": item_id, "wrapped": key.wrapped}])
    await items.insert_items(tx.connection, [_item_row(item)])
    await items.insert_revisions(tx.connection, [_revision_row(vault, item, key.secret)])
    await write_feed(tx, writes_for_item(None, item))


def _item_row(item: ItemState) -> dict[str, Any]:
    names = (
        "id type grid_id stream_class author_id in_own_stream version rev touch deleted urgency captured_at "
        "received_at updated_at"
    )
    return {name: getattr(item, name) for name in names.split()} | {"clear": {}, "sealed": None}


def _revision_row(vault: Vault, item: ItemState, secret: bytes) -> dict[str, Any]:
    where = Fix(*WRITTEN_WHERE, crs="wgs84", accuracy=10.0)
    clear, sealed = vault.close_revision(item, {}, Capture(WRITTEN_AT, 0, "boot", where), secret)
    return {
        "item_id": item.id,
        "version": 1,
        "rev": signed64(item.rev),
        "op": "create",
        "author_id": item.author_id,
        "fields": [],
        "clear": clear,
        "sealed": sealed,
        "catalogue": "2024.2",
        "registry": 1,
        "captured_at": WRITTEN_AT,
        "received_at": WRITTEN_AT,
    }


async def until(holds: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
    """Wait until it holds; a database and a process tell nobody when they are so far."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until_someone_waits_for_a_lock(connection: asyncpg.Connection, number: int = 1) -> None:
    """Until so many transactions of this database are held up by another."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async def are_waiting() -> bool:
        return await connection.fetchval(waiting) >= number

    await until(are_waiting, 20)


async def state_of(truth: asyncpg.Connection, data: bytes) -> tuple[str, str | None]:
    """A photo's state and refusal as the database holds them."""
    row = await truth.fetchrow("SELECT state, refusal FROM evidence WHERE (sha256, size) = ($1, $2)", *identity(data))
    assert row is not None
    return row["state"], row["refusal"]


async def objects_under(services: Services, prefix: str) -> dict[str, int]:
    """Keys and sizes of what the store holds under a prefix."""
    later = datetime(2100, 1, 1, tzinfo=UTC)
    return {entry.key: entry.size for entry in await services.objects.older_than(prefix, later, 1000)}
