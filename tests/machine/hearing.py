"""Requests on their way to the server and answers on their way back; every answer is looked at before it is used."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import msgspec

from schemas.wire import Entry, ExchangeAnswer, Receipt
from sync.device import Applied
from sync.framing import decode_answer, encode_request
from tests.builders import TYPES
from tests.machine.books import holds
from tests.machine.city import City
from tests.machine.handset import Handset, clock

Sent = tuple[int, bytes]
"""The serial of a request, and the bytes of its answer."""
_ROUNDS = 80
_encode = msgspec.json.Encoder(order="sorted").encode


def request_of(phone: Handset, answer_bytes: int | None = None) -> tuple[int, bytes]:
    """The next request: its serial and its body."""
    outgoing = phone.device.next_request(clock(), answer_bytes=answer_bytes, form=phone.form)
    phone.sent = max(phone.sent, outgoing.request.first + len(outgoing.sets) - 1)
    return outgoing.serial, encode_request(outgoing.request, outgoing.sets, phone.form)


async def post(city: City, phone: Handset, body: bytes) -> httpx.Response:
    """One exchange over the wire; a device that a restored database forgot comes back by its ticket."""
    city.counts.exchanges += 1
    shown = phone.access
    response = await city.house.client.post("/v1/exchange", content=body, headers=phone.headers)
    if response.status_code == 401:
        async with phone.returning:
            if phone.access == shown:
                await come_back(city, phone)
        response = await city.house.client.post("/v1/exchange", content=body, headers=phone.headers)
    return response


async def ask(city: City, phone: Handset, path: str, **params: Any) -> httpx.Response:
    """Something else that a phone reads."""
    for attempt in range(2):
        headers = {"Authorization": phone.headers["Authorization"]}
        response = await city.house.client.get(path, params=params, headers=headers)
        if response.status_code != 401 or attempt:
            return response
        await come_back(city, phone)
    raise AssertionError


async def come_back(city: City, phone: Handset) -> None:
    """Refresh; where nobody knows the session any more, enrol with the ticket."""
    wish = {"grant": "refresh", "refresh": city.refresh_token(phone)}
    answer = await _asked_again(city, "/v1/token", wish)
    if answer.status_code == 200:
        phone.access, phone.generation = answer.json()["access"], phone.generation + 1
        return
    holds("I12", city.life > 0, "a token is good for as long as its database lives", answer.text)
    wish = {"ticket": phone.device.ticket, "install": phone.install}
    answer = await _asked_again(city, "/v1/enrol", wish)
    holds("I12", answer.status_code == 200, "a device that the database forgot comes back by its ticket", answer.text)
    holds("I12", answer.json()["device"] == str(phone.device_id), "it is the device that it was")
    phone.access, phone.generation = answer.json()["access"], 1


async def _asked_again(city: City, path: str, wish: dict[str, str]) -> httpx.Response:
    """An answer, after one refusal that a retry cures: the database may just have ended all connections."""
    answer = await city.house.client.post(path, json=wish)
    if answer.status_code != 503:
        return answer
    await city.house.mend()
    return await city.house.client.post(path, json=wish)


async def send(city: City, phone: Handset, answer_bytes: int | None = None) -> Sent:
    """One request whose answer must come; it is not yet used."""
    serial, body = request_of(phone, answer_bytes)
    response = await post(city, phone, body)
    holds("I9", response.status_code == 200, "an exchange is answered", response.status_code, response.text[:300])
    return serial, take(city, phone, response.content)


def take(city: City, phone: Handset, content: bytes) -> bytes:
    """What came over the wire, looked at: who sees it all sees it, whether or not the phone ever does."""
    look_at(city, phone, decode_answer(content, phone.form))
    return content


def hear(city: City, phone: Handset, sent: Sent) -> Applied:
    """The phone takes an answer in."""
    serial, content = sent
    answer = decode_answer(content, phone.form)
    was_pending = bool(phone.state.former_items) or phone.tampered
    applied = phone.device.apply_answer(serial, answer)
    if not applied.stale and not was_pending:
        holds("I6", not applied.repaired, "no digest differs where nothing explains it", applied.repaired)
    if not applied.stale and answer.epoch != city.epoch:
        # On its way since before the restore: to this phone that is still to come, and it takes all of the answer.
        city.note_held(phone)
    for receipt in answer.receipts:
        if receipt.status == "forked" and phone.device.forked:
            phone.refused = receipt.no, receipt.hash
    phone.note_received()
    what_is_unsent_is_in_sight(phone)
    return applied


async def exchange(city: City, phone: Handset, answer_bytes: int | None = None) -> Applied:
    """One request and its answer."""
    return hear(city, phone, await send(city, phone, answer_bytes))


async def sync(city: City, phone: Handset, answer_bytes: int | None = None) -> None:
    """Exchange until nothing is left to push or pull."""
    for _ in range(_ROUNDS):
        applied = await exchange(city, phone, answer_bytes)
        if applied.wiped:
            city.phones.remove(phone)
            return
        if not applied.again:
            return
    holds("I6", False, "a phone comes to rest", phone.number, phone.person.role)


# Looking ---------------------------------------------------------------------------------------------------


def look_at(city: City, phone: Handset, answer: ExchangeAnswer) -> None:
    """What must hold of every answer."""
    holds("I12", answer.epoch == city.epoch, "every answer is of the present epoch", answer.epoch, city.epoch)
    for receipt in answer.receipts:
        _look_at_receipt(city, phone, receipt)
    scope = city.scope(phone)
    for key in answer.gained:
        holds("I4", key in scope, "nobody gains a stream that is not his", key)
    for page in answer.streams:
        holds("I4", page.stream in scope, "no answer has a stream outside its reader's scope", page.stream)
        for entry in (*page.entries, *(page.repaired.entries if page.repaired else ())):
            _look_at_entry(phone, page.stream, entry)
    if phone.outdated:
        holds("I11", answer.withheld and not answer.streams, "an app of a former catalogue is given no streams")


def _look_at_entry(phone: Handset, stream: str, entry: Entry) -> None:
    kind, _, owner = stream.partition("/")
    if entry.notice is not None:
        holds("I4", owner == str(phone.person.id), "a notice is its reader's own", stream)
    if (item := entry.item) is None:
        return
    if kind == "own":
        holds("I4", str(item.author) == owner, "what is in an own stream is its reader's own", entry.id)
    else:
        holds("I4", str(item.grid) == owner, "an item in a grid's stream lies in that grid", entry.id, item.grid)
        wanted = "restricted" if TYPES[item.type].stream == "grid_restricted" else "grid"
        holds("I4", kind == wanted, "an item is in the stream of its type's class", item.type)


def _look_at_receipt(city: City, phone: Handset, receipt: Receipt) -> None:
    key, said = (phone.device_id, receipt.no, receipt.hash), _encode(receipt)
    known = city.told.receipts.get(key)
    holds("I2", known in (None, said), "a set gets one receipt, however often it arrives", known, said)
    if known is not None:
        return
    city.told.receipts[key] = said
    holds("I2", receipt.code != "set_internal_error", "no set fails by the server's own fault", said)
    city.counts.statuses[receipt.status] += 1
    outcomes = [outcome.outcome for outcome in receipt.outcomes]
    city.counts.outcomes.update(outcomes)
    _note_outcomes(city, receipt)
    refused = [one for one in receipt.outcomes if one.outcome in ("rejected", "quarantined")]
    for one in [*refused, *([receipt] if receipt.status != "decided" else [])]:
        holds("I9", one.code and one.zh and one.en, "a refusal has a reason that a person understands", said)
    if (phone.device_id, receipt.no) in city.old_sets and receipt.status != "forked":
        is_fine = receipt.status == "decided" and not {"rejected"} & set(outcomes)
        is_gone = phone.device_id in city.told.revoked
        holds("I11", is_fine or is_gone, "sets of the two previous catalogues are taken", said)
    if (phone.device_id, receipt.no) in city.joint_sets and receipt.status == "decided":
        for alone in ("rejected", "parked"):
            holds("I2", alone not in outcomes or set(outcomes) == {alone}, "a set is taken all or nothing", said)


def _note_outcomes(city: City, receipt: Receipt) -> None:
    """What was rebased is looked up at rest; a link is told as it was made, and of nothing that was not linked."""
    for one in receipt.outcomes:
        if one.outcome == "rebased" and one.item is not None and one.version is not None:
            # The version is that of the item to which the change went.
            city.told.rebased.add((one.linked or UUID(one.item), one.version))
        if one.linked is not None:
            winners = city.told.ever_stood_for(UUID(one.item))
            holds("I5", one.linked in winners, "what a change is linked with was made one with its item", one, winners)


def what_is_unsent_is_in_sight(phone: Handset) -> None:
    """What a worker wrote and nobody has a receipt for stands before him."""
    newest = phone.newest()
    gone: set[UUID] = {item for (item, _), one in newest.items() if one.op == "delete"}
    # Of what was refused when it was created the worker is told instead.
    gone |= {told.change.item for told in phone.device.told() if told.change.op == "create"}
    for (item, name), written in newest.items():
        if written.excused or written.op == "transition" or item in gone:
            continue
        seen = phone.device.visible(item)
        holds("I5", seen is not None, "an item with unsent edits is in sight", item, name)
        shown = seen.fields.get(name) if seen else None
        holds("I5", str(written.token) in str(shown), "an unsent value is in sight", item, name)
