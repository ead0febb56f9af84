"""One exchange: the device's change sets are decided, then it is told what it has not yet got."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from schemas.wire import ExchangeAnswer, ExchangeRequest, Receipt
from server.db import push
from server.db.database import Connection, Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.loading import assignment_of
from server.usecases.pull import Pulled, current_mark, pull
from server.usecases.push import Arrival, push_sets
from server.usecases.sessions import Caller
from sync.access import assignments_at, device_streams
from sync.framing import Form

_NOTHING = Pulled([], [], [], False, None)


async def exchange(
    services: Services,
    caller: Caller,
    request: ExchangeRequest,
    sets: Sequence[bytes],
    form: Form,
) -> ExchangeAnswer:
    """Decide the sets in order, each in a transaction of its own, then read the answer in one snapshot.

    A device of another epoch is not refused: its numbers and cursors begin again. Raises Problem `device_mismatch`
    where the request names another device than the token.
    """
    if request.device != caller.device_id:
        raise Problem("device_mismatch")
    now = datetime.now(UTC)
    async with services.database.read() as connection:
        epoch = await push.current_epoch(connection)
    receipts: list[Receipt] = []
    if request.epoch in (None, epoch):
        receipts = await push_sets(services, _arrivals(request, sets, epoch, now))
    # Only now: captures are dated between the exchange before this one and this one.
    await services.database.write(lambda tx: _note(tx, request, epoch, now))
    async with services.database.read() as connection:
        return await _answer(connection, services, request, epoch, receipts, form)


async def nothing_new(services: Services, device_id: UUID, mark: str) -> bool:
    """Whether a device with this mark holds everything that its holder may read now."""
    async with services.database.read() as connection:
        epoch = await push.current_epoch(connection)
        scope = await _scope(connection, device_id, datetime.now(UTC))
        return mark == await current_mark(connection, scope, epoch)


async def _note(tx: Transaction, request: ExchangeRequest, epoch: str, now: datetime) -> None:
    await push.note_exchange(
        tx.connection,
        request.device,
        epoch,
        at=now,
        unsent=min(request.unsent, 2**31 - 1),
        app=request.app,
        acknowledged=min(request.acknowledged, 2**53),
    )


def _arrivals(request: ExchangeRequest, sets: Sequence[bytes], epoch: str, now: datetime) -> list[Arrival]:
    return [
        Arrival(request.device, epoch, request.first + place, raw, request.clock, now) for place, raw in enumerate(sets)
    ]


async def _answer(
    connection: Connection,
    services: Services,
    request: ExchangeRequest,
    epoch: str,
    receipts: list[Receipt],
    form: Form,
) -> ExchangeAnswer:
    now = datetime.now(UTC)
    scope = await _scope(connection, request.device, now)
    pulled = _NOTHING
    if scope:
        pulled = await pull(
            connection,
            services,
            scope=scope,
            epoch=epoch,
            cursors=request.cursors if request.epoch in (None, epoch) else {},
            form=form,
            max_bytes=min(request.max_bytes or services.settings.pull_page_bytes, services.settings.pull_page_bytes),
        )
    counter = await push.read_counter(connection, request.device, epoch)
    return ExchangeAnswer(
        epoch=epoch,
        now=now,
        expected=counter.last_no + 1,
        safe_no=counter.safe_no,
        catalogue=services.catalogue.version,
        registry=services.registry.version,
        receipts=receipts,
        gained=pulled.gained,
        lost=pulled.lost,
        streams=pulled.pages,
        more=pulled.more,
        mark=pulled.mark,
    )


async def _scope(connection: Connection, device_id: UUID, now: datetime) -> list[str]:
    """The streams that the holder may read now, as the snapshot sees it; none on a revoked device."""
    holder = await push.device_holder(connection, device_id)
    if holder.revoked:
        return []
    rows = await push.assignments_ever(connection, holder.user_id)
    return device_streams(holder.user_id, assignments_at(map(assignment_of, rows), now))
