"""What befalls the server: restarts, jobs, backups, a restore that nobody tells of; and what befalls phones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import httpx
from msgspec.structs import replace

from schemas.wire import Cursor
from server.usecases import receipts
from server.usecases.compaction import compact
from server.usecases.notices import lapse
from server.usecases.photo_checks import check_upload
from sync.framing import set_hash
from tests.builders import photo, picture
from tests.machine.books import Act, Told, holds
from tests.machine.city import City
from tests.machine.handset import Handset
from tests.machine.hearing import sync
from tests.machine.rules import rule, senders, tell, writers
from tests.machine.writing import excuse, verify_unseen

_LONG = timedelta(days=46)
PICTURES = 40


@rule(1)
async def compaction(city: City, chance: Random) -> bool:
    """All absences so far are old; what was away for longer compares."""
    return await compact(city.services, datetime.now(UTC) + _LONG) > 0


@rule(1.2)
async def lapse_notices(city: City, chance: Random) -> bool:
    """Nobody has put them away for long."""
    return await lapse(city.services, datetime.now(UTC) + _LONG) > 0


@rule(1.2)
async def prune_receipts(city: City, chance: Random) -> bool:
    return await receipts.prune(city.services) > 0


@rule(1)
async def restart(city: City, chance: Random) -> bool:
    """The server stops and starts; the database was never put back, so its epoch goes on."""
    prepared = await city.house.restart()
    holds("I12", prepared.epoch is None, "a restart begins no epoch", prepared.epoch)
    return True


@rule(1.5)
async def backup(city: City, chance: Random) -> bool:
    await city.house.back_up()
    city.saved, city.written_at_backup = city.told.copy(), len(city.ledger)
    city.missing_at_backup = await _not_there(city)
    return True


async def _not_there(city: City) -> set[int]:
    """What this database has not: unsent, or sent to a life of it that is lost and not yet once more."""
    there = {tuple(row.values()) for row in await city.rows("SELECT device_id, no FROM change_set")}
    unsent = {id(written) for phone in city.phones for written in phone.pending}
    return unsent | {id(written) for written in city.ledger if (written.device, written.no) not in there}


@rule(2)
async def silent_restore(city: City, chance: Random) -> bool:
    """The backup takes the database's place, and nobody is told: the next start finds it out."""
    if city.saved is None:
        return False
    await put_back(city, city.saved)
    return True


@rule(6)
async def restore_while_moving(city: City, chance: Random) -> bool:
    """The same between a registry version and the end of its moves, or back into the middle of those."""
    if city.saved is None or (city.land.moving is None and city.saved.land.moving is None):
        return False
    await put_back(city, city.saved)
    return True


async def put_back(city: City, saved: Told) -> None:
    """What was told to this life of the database since the backup is not so any more."""
    for phone in city.phones:
        city.note_held(phone)
    prepared = await city.house.put_back()
    holds("I12", prepared.epoch == "other_database", "the start after a restore begins an epoch", prepared.epoch)
    city.told, city.saved = saved, None
    city.life += 1
    city.told.epochs += 1
    city.told.acts.append(Act("epoch.begun", "", None))
    city.audit_seen = (0, "")
    former = city.epoch
    await city.note_epoch()
    holds("I12", former != city.epoch, "a restored database is in another epoch")
    await _people_return(city)
    _excuse_what_went(city)


async def _people_return(city: City) -> None:
    """Whoever came after the backup is taken on again."""
    known = {row["id"] for row in await city.rows("SELECT id FROM users")}
    gone = [person for person in city.people.values() if person.id not in known]
    for person in gone:
        await city.take_on(person, [])


def _excuse_what_went(city: City) -> None:
    """What reached the database after the backup, from a phone that is no more, went with the database."""
    there = {phone.number for phone in city.phones}
    for place, written in enumerate(city.ledger):
        arrived_before = place < city.written_at_backup and id(written) not in city.missing_at_backup
        if written.phone not in there and not arrived_before:
            written.excused = written.excused or "its phone was wiped before the restore"


@rule(1.5)
async def tamper(city: City, chance: Random) -> bool:
    """A phone's memory of a stream is damaged, and its cursor is an old one."""
    able = [
        (phone, key)
        for phone in city.phones
        for key, stream in sorted(phone.state.streams.items())
        if stream.members and stream.cursor and stream.cursor.position > 1 and not stream.comparison
        and stream.unconfirmed is None and not phone.state.former_items and not phone.device.wiping
    ]  # fmt: skip
    if not able:
        return False
    phone, key = chance.choice(able)
    stream = phone.state.streams[key]
    one = chance.choice(sorted(stream.members))
    if chance.random() < 0.5:
        del stream.members[one]
    else:
        held = stream.members[one]
        stream.members[one] = replace(held, hash=held.hash ^ 1)
    stream.cursor = Cursor(stream.cursor.position - 1, stream.cursor.fill)
    phone.tampered, phone.state.mark = True, None
    tell(city, f"{phone.number} {key}")
    return True


@rule(1)
async def poison_set(city: City, chance: Random) -> bool:
    """A set whose bytes are spoilt on the phone, with good ones behind it."""
    spoilt = {one[:3] for one in city.poison}
    able = [
        (phone, no)
        for phone in writers(city)
        for no, one in phone.state.outbox.items()
        if one.receipt is None and one.raw and not one.void and no > phone.device.acknowledged
        and phone.form == "json" and not phone.air and not phone.device.forked
        and no > phone.sent and (phone, phone.device_id, no) not in spoilt
    ]  # fmt: skip
    if not able:
        return False
    phone, no = chance.choice(able)
    sealed = phone.state.outbox[no]
    word = city.marks.text().encode()
    sealed.raw = chance.choice((
        sealed.raw[: len(sealed.raw) // 2],
        b'{"no":' + str(no).encode() + b',"note":"' + word + b'"}',
        b'{"no":"\\ud800' + word + b'"}',
        b'{"changes":' + b"[" * 5_000 + b'"' + word + b'"',
    ))  # fmt: skip
    sealed.hash = set_hash(sealed.raw)
    city.poison.append((phone, phone.device_id, no, sealed.raw))
    excuse(city, phone, no, "its bytes were spoilt on the phone")
    tell(city, f"{phone.number} set {no}")
    return True


@rule(2.2)
async def send_photos(city: City, chance: Random) -> bool:
    """The bytes of photos go to the store, and are looked at."""
    able = [one for one in senders(city) if one.device.photos_to_send() and not city.is_revoked(one)]
    if not able:
        return False
    return await _photos_of(city, chance.choice(able))


@rule(5)
async def on_the_spot(city: City, chance: Random) -> bool:
    """The fastest path of field work: a step of a case, and its photos a moment later."""
    able = [(phone, item) for phone in writers(city) if phone.online for item in phone.device.items()]
    able = [one for one in able if one[1].type == "0401" and one[1].case and one[1].case.state == "handled"]
    able = [one for one in able if not city.is_revoked(one[0])]
    if not able:
        return False
    phone, item = chance.choice(able)
    phone.seal(chance)
    verify_unseen(city, phone, item, chance)
    tell(city, f"{item.id} on {phone.number}")
    await _photos_of(city, phone)
    return True


async def _photos_of(city: City, phone: Handset) -> bool:
    """Some of the photos that it still holds, and whether there were any."""
    await sync(city, phone)
    headers = {"Authorization": phone.headers["Authorization"]}
    wanted = [{"sha256": own.sha256, "size": own.size} for own in phone.device.photos_to_send()[:3]]
    if phone not in city.phones or not wanted:
        return False
    answer = await city.house.client.post("/v1/evidence", json={"photos": wanted}, headers=headers)
    holds("I8", answer.status_code == 200, "photos may be declared", answer.text[:300])
    declared = [one for one in answer.json()["photos"] if one["upload"]]
    await put_photos(declared)
    uploads = [one["upload"]["id"] for one in declared]
    if uploads:
        answer = await city.house.client.post("/v1/evidence/uploaded", json={"uploads": uploads}, headers=headers)
        holds("I8", answer.status_code == 200, "photos that were sent are taken", answer.text[:300])
    for upload in uploads:
        await check_upload(city.services, upload)
    await sync(city, phone)
    return bool(uploads)


async def put_photos(declared: list[dict[str, Any]]) -> None:
    """Straight to the store, by the addresses that were given."""
    async with httpx.AsyncClient() as client:
        for one in declared:
            number = _pictures()[one["sha256"]]
            (await client.put(one["upload"]["url"], content=picture(number))).raise_for_status()


@cache
def _pictures() -> dict[str, int]:
    return {photo(number)["sha256"]: number for number in range(PICTURES)}
