"""One exchange: the device's change sets are decided, then it is told what it has not yet got."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic

from schemas.previous import version_order
from schemas.wire import Directive, ExchangeAnswer, ExchangeRequest, Receipt
from server.db import push
from server.db.database import Connection
from server.db.live import live_session
from server.errors import Problem
from server.memory import Session
from server.services import Services
from server.usecases.directives import note_done
from server.usecases.hearing import hear_device
from server.usecases.pull import Pulled, current_mark, pull
from server.usecases.push import Arrival, push_sets
from server.usecases.salvage import keep_salvage
from server.usecases.sessions import Caller
from sync.framing import Form
from sync.upcasting import version_refusal

_NOTHING = Pulled([], [], [], False, None)


async def exchange(
    services: Services,
    caller: Caller,
    request: ExchangeRequest,
    sets: Sequence[bytes],
    form: Form,
) -> ExchangeAnswer:
    """Decide the sets in order, each in a transaction of its own, then read the answer in one snapshot.

    What the device salvaged is kept before all else. A device of another epoch is not refused: its sets wait until it
    names this one, and its cursors mean nothing here. Raises Problem `device_mismatch` where the request names another
    device than the token.
    """
    if request.device != caller.device_id:
        raise Problem("device_mismatch")
    if request.catalogue not in services.catalogue.accepted:
        # The device may have learnt of it from another process.
        services = await services.at_present(at_once=True)
    now = datetime.now(UTC)
    async with services.database.single() as connection:
        epoch = await push.current_epoch(connection)
    await keep_salvage(services, request.device, epoch, request.salvage, now)
    receipts: list[Receipt] = []
    if request.epoch in (None, epoch):
        receipts = await push_sets(services, _arrivals(request, sets, epoch, now))
    # Only now: captures are dated between the exchange before this one and this one.
    await _note(services, request, epoch, now)
    async with services.database.read() as connection:
        return await _answer(connection, services, request, epoch, receipts, form)


async def nothing_new(services: Services, caller: Caller, mark: str) -> bool:
    """Whether a device with this mark holds everything that its holder may read now.

    If so, this process remembers it, and answers the next such question by itself.
    """
    assert caller.device_id is not None
    assert caller.session_id is not None
    memory = services.memory
    ticket, began, now = memory.ticket(), monotonic(), datetime.now(UTC)
    async with services.database.read() as connection:
        epoch = await push.current_epoch(connection)
        heard = await hear_device(connection, caller.device_id, now)
        if mark != await current_mark(connection, services, heard.scope, epoch, heard.asked):
            return False
        session = await live_session(connection, caller.session_id)
    if session is not None and heard.scope:
        until = began + heard.seconds(session)
        memory.remember(ticket, session.access_hash, Session(heard.user_id, tuple(heard.scope), heard.asked, until))
    return True


async def _note(services: Services, request: ExchangeRequest, epoch: str, now: datetime) -> None:
    """What the device says about itself, and which directives it has carried out."""
    async with services.database.single() as connection:
        await push.note_exchange(
            connection,
            request.device,
            epoch,
            at=now,
            unsent=min(request.unsent, 2**31 - 1),
            app=request.app,
            acknowledged=min(request.acknowledged, 2**53),
            registry=min(request.registry, 2**31 - 1),
            catalogue=request.catalogue if version_order(request.catalogue) else None,
        )
    if request.done:
        await services.database.write(lambda tx: note_done(tx, request.device, request.done))


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
    heard = await hear_device(connection, request.device, now)
    pulled, withheld = _NOTHING, version_refusal(request.catalogue, services.catalogue)
    # What a device of another epoch holds means nothing here; it is only told which epoch this is.
    if heard.scope and withheld is None and request.epoch in (None, epoch):
        pulled = await pull(
            connection,
            services,
            scope=heard.scope,
            epoch=epoch,
            directives=heard.asked,
            cursors=request.cursors,
            repairs=request.repairs,
            form=form,
            max_bytes=min(request.max_bytes or services.settings.pull_page_bytes, services.settings.pull_page_bytes),
        )
    counter = await push.read_counter(connection, request.device)
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
        directives=[Directive(one.id, one.kind) for one in heard.directives],
        more=pulled.more,
        mark=pulled.mark,
        withheld=withheld,
    )
