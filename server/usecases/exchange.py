"""One exchange: the device's change sets are decided, then it is told what it has not yet got."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic

from schemas.previous import version_order
from schemas.wire import Directive, ExchangeAnswer, ExchangeRequest, Receipt
from server.db import live, push
from server.db.database import Connection
from server.db.live import Said, Seen
from server.errors import Problem
from server.memory import Session
from server.services import Services
from server.usecases.directives import note_done
from server.usecases.hearing import Hearing, hear_device, hearing_of
from server.usecases.notices import put_away
from server.usecases.pull import Pulled, current_mark, pull
from server.usecases.push import Arrival, EpochOver, push_sets
from server.usecases.salvage import keep_salvage
from server.usecases.sessions import Caller
from sync.feed import make_mark
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
    if request.salvage:
        await keep_salvage(services, request.device, await _current_epoch(services), request.salvage, now)
    receipts = await _decided(services, request, sets, now) if sets else []
    if request.done:
        await services.database.write(lambda tx: note_done(tx, request.device, request.done))
    if request.put_away:
        await services.database.write(lambda tx: put_away(tx, request.device, request.put_away))
    # Only now: captures are dated between the exchange before this one and this one.
    async with services.database.single() as connection:
        seen = await live.note_exchange(connection, request.device, _said(request, now), list(request.cursors))
    if (answer := _unread(services, request, seen, receipts)) is not None:
        return answer
    async with services.database.read() as connection:
        return await _answer(connection, services, request, seen.epoch, receipts, form)


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
        session = await live.live_session(connection, caller.session_id)
    if session is not None and heard.scope:
        until = began + heard.seconds(session)
        memory.remember(ticket, session.access_hash, Session(heard.user_id, tuple(heard.scope), heard.asked, until))
    return True


async def _current_epoch(services: Services) -> str:
    async with services.database.single() as connection:
        return await push.current_epoch(connection)


async def _decided(services: Services, request: ExchangeRequest, sets: Sequence[bytes], now: datetime) -> list[Receipt]:
    """The receipts of the sets; none where the device is of another epoch. Raises Problem `not_ready`.

    A device mostly names the present epoch, and each set is decided in that or not at all: so it is not asked before.
    """
    epoch = request.epoch or await _current_epoch(services)
    try:
        return await push_sets(services, _arrivals(request, sets, epoch, now))
    except EpochOver:
        if request.epoch is None:
            raise Problem("not_ready", retry_after=1) from None
        return []


def _said(request: ExchangeRequest, now: datetime) -> Said:
    """What the device says about itself."""
    return Said(
        at=now,
        unsent=min(request.unsent, 2**31 - 1),
        app=request.app,
        acknowledged=min(request.acknowledged, 2**53),
        registry=min(request.registry, 2**31 - 1),
        catalogue=request.catalogue if version_order(request.catalogue) else None,
    )


def _arrivals(request: ExchangeRequest, sets: Sequence[bytes], epoch: str, now: datetime) -> list[Arrival]:
    return [
        Arrival(request.device, epoch, request.first + place, raw, request.clock, now) for place, raw in enumerate(sets)
    ]


def _unread(services: Services, request: ExchangeRequest, seen: Seen, receipts: list[Receipt]) -> ExchangeAnswer | None:
    """The answer where no entry waits for the device, so that none need be read; None where one may."""
    heard = hearing_of(seen.device, datetime.now(UTC))
    withheld = version_refusal(request.catalogue, services.catalogue)
    pulled: Pulled | None = _NOTHING
    # What a device of another epoch holds means nothing here; it is only told which epoch this is.
    if heard.scope and withheld is None and request.epoch in (None, seen.epoch):
        pulled = _nothing_waits(services, request, heard, seen)
    if pulled is None:
        return None
    return _told(services, seen.epoch, heard, seen.counter, receipts, pulled, withheld)


def _nothing_waits(services: Services, request: ExchangeRequest, heard: Hearing, seen: Seen) -> Pulled | None:
    """What is pulled where the device stands at the head of each stream that it may read, and of no other."""
    heads = {key: seen.heads.get(key, 0) for key in heard.scope}
    held = {key: cursor.position for key, cursor in request.cursors.items()}
    if request.repairs or held != heads:
        return None
    return Pulled([], [], [], False, make_mark(seen.epoch, services.catalogue.version, heads, heard.asked))


async def _answer(
    connection: Connection,
    services: Services,
    request: ExchangeRequest,
    epoch: str,
    receipts: list[Receipt],
    form: Form,
) -> ExchangeAnswer:
    """The answer with what waits for the device, whose epoch and catalogue were found to be right before."""
    heard = await hear_device(connection, request.device, datetime.now(UTC))
    pulled = _NOTHING
    if heard.scope:
        most = services.settings.pull_page_bytes
        pulled = await pull(
            connection,
            services,
            scope=heard.scope,
            epoch=epoch,
            directives=heard.asked,
            cursors=request.cursors,
            repairs=request.repairs,
            form=form,
            max_bytes=min(request.max_bytes or most, most),
        )
    counter = await push.read_counter(connection, request.device)
    return _told(services, epoch, heard, counter, receipts, pulled, None)


def _told(
    services: Services,
    epoch: str,
    heard: Hearing,
    counter: push.Counter,
    receipts: list[Receipt],
    pulled: Pulled,
    withheld: str | None,
) -> ExchangeAnswer:
    return ExchangeAnswer(
        epoch=epoch,
        now=heard.at,
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
