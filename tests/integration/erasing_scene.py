"""A resident and a hazard of whom the server holds all that it can hold of an item, each value with a mark in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import httpx
from msgspec import Raw, json

from schemas.wire import Base, Change, ChangeSet, Clock, ItemBody, Receipt
from server.services import Services
from server.usecases.push import Arrival, push_set
from server.usecases.salvage import keep_salvage
from sync.framing import Form, encode_change, encode_set
from tests.builders import (
    CHIEF,
    GRIDS,
    MATE,
    NEIGHBOUR,
    WORKER,
    Phone,
    build_city,
    capture,
    create,
    deliver,
    enrol,
    photo,
)
from tests.integration.office import desk, seen

RESIDENT_MARKS = ("钱多多", "钱大大", "钱少少", "钱加加", "钱闯闯", "钱错错", "钱坏坏", "钱整整", "钱叉叉", "钱留留")
HAZARD_MARKS = ("孙楼道", "孙楼梯", "孙回退", "孙栏目")


class Scene(NamedTuple):
    """Who and what there is; the neighbour's own resident shares raw sets with the first one."""

    services: Services
    truth: asyncpg.Connection
    worker: Phone
    mate: Phone
    neighbour: Phone
    dwelling: UUID
    resident: UUID
    hazard: UUID


async def base_of(truth: asyncpg.Connection, item: UUID) -> Base:
    """The item as it is now."""
    row = await truth.fetchrow("SELECT version, rev FROM item WHERE id = $1", item)
    assert row is not None
    return Base(row["version"], f"{row['rev'] % 2**64:016x}")


def edit(item: UUID, base: Base, type_code: str = "0101", **fields: Any) -> Change:
    """An edit that was written against some base."""
    return Change("update", item, type_code, capture(), base=base, fields=fields)


def raw_set(phone: Phone, no: int, changes: Sequence[Any], form: Form = "json", **more: Any) -> bytes:
    """A set's bytes; a change may also be given as the bytes that stand for it."""
    given: dict[str, Any] = {
        "no": no,
        "device": phone.device_id,
        "holder": phone.person.id,
        "author": phone.person.id,
        "catalogue": phone.services.catalogue.version,
        "registry": 1,
        "nonce": "n" * 22,
    }
    frames = [encode_change(one, form) if isinstance(one, Change) else one for one in changes]
    return encode_set(ChangeSet(**given | more, changes=frames), form)


async def send(phone: Phone, raw: bytes, no: int | None = None) -> Receipt:
    """Push bytes as the next set, or again as set `no`."""
    if no is None:
        phone.no += 1
        no = phone.no
    now = datetime.now(UTC)
    receipt = await push_set(
        phone.services, Arrival(phone.device_id, phone.epoch, no, raw, Clock(now, 60_000, "boot"), now)
    )
    assert receipt is not None
    return receipt


def malformed(item: UUID, name: str) -> Any:
    """A change that cannot be read and yet holds a name: it has a NUL."""
    whole = encode_change(edit(item, Base(1, "0" * 16), name=f"{name}MARKER"), "json")
    return Raw(bytes(whole).replace(b"MARKER", rb"\u0000"))


def _salvage(item: UUID, name: str) -> Raw:
    """The item as a phone holds it from a life of the database that is lost."""
    body = ItemBody(
        id=item,
        type="0101",
        version=9,
        rev="00000000000000aa",
        touch=0,
        grid=None,
        code=None,
        author=WORKER.id,
        urgency="normal",
        fields={"name": name},
        received_at=datetime.now(UTC),
    )
    return Raw(json.encode(body))


async def open_scene(services: Services, client: httpx.AsyncClient, truth: asyncpg.Connection) -> Scene:
    """Everything that may hold a value of an item holds one."""
    await build_city(services)
    worker, mate, neighbour = [await enrol(services, one) for one in (WORKER, MATE, NEIGHBOUR)]
    dwelling = await worker.report("0102")
    resident = await worker.report("0101", name="钱多多", dwelling=str(dwelling))
    first = await base_of(truth, resident)
    await worker.correct(resident, name="钱大大")
    parked = await mate.push(edit(resident, first, name="钱少少"))
    assert parked.outcomes[0].outcome == "parked"
    joined = await mate.push(edit(resident, first, name="钱加加"))
    assert joined.outcomes[0].conflict == parked.outcomes[0].conflict
    held = await neighbour.push(edit(resident, await base_of(truth, resident), name="钱闯闯"))
    assert held.outcomes[0].code == "out_of_scope"
    wrong = await mate.push(edit(resident, await base_of(truth, resident), name="钱错错", relation="nonsense"))
    assert wrong.outcomes[0].outcome == "rejected"
    bad = await send(mate, raw_set(mate, mate.no + 1, [malformed(resident, "钱坏坏")]))
    assert (bad.status, bad.outcomes[0].code, bad.outcomes[0].item) == ("decided", "change_text_invalid", str(resident))
    whole = await send(mate, raw_set(mate, mate.no + 1, [edit(resident, first, name="钱整整")], catalogue="1999.1"))
    assert whole.status == "quarantined"
    fork = await send(mate, raw_set(mate, 1, [edit(resident, first, name="钱叉叉")], nonce="f" * 22), no=1)
    assert fork.status == "forked"
    assert await keep_salvage(services, mate.device_id, mate.epoch, [_salvage(resident, "钱留留")], datetime.now(UTC))
    hazard = await _hazard(services, client, truth, worker)
    return Scene(services, truth, worker, mate, neighbour, dwelling, resident, hazard)


async def _hazard(services: Services, client: httpx.AsyncClient, truth: asyncpg.Connection, worker: Phone) -> UUID:
    hazard = await worker.report("0401", urgency="normal", description="孙楼道", photos=[photo(1)], at_risk=7)
    await deliver(services, WORKER, 1)
    chief = await desk(services, client, CHIEF)
    decision = {**await seen(truth, hazard), "decision": "return", "reason": "other", "note": "孙回退"}
    (result,) = await chief.decide({**decision, "notes": {"description": "孙栏目"}})
    assert result["state"] == "returned"
    await worker.correct(hazard, description="孙楼梯")
    return hazard


async def close_case(truth: asyncpg.Connection, item: UUID, at: datetime | None = None) -> None:
    """Bring a case to its end, whatever it went through."""
    moment = at or datetime.now(UTC)
    await truth.execute(
        "UPDATE cases SET state = 'closed', closed_at = $2, changed_at = $2 WHERE item_id = $1", item, moment
    )


def other_resident(dwelling: UUID, name: str = "李邻居") -> Change:
    """A new resident of the same dwelling."""
    return create("0101", name=name, dwelling=str(dwelling), grid=GRIDS[0])
