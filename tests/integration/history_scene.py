"""A few grids of the demo city with their history in the database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from server.db import people
from server.db.database import Transaction
from server.db.people import NewAssignment, NewUser
from server.demo.city import City
from server.demo.history.pages import Page
from server.demo.history.pictures import Album, enter, store, take_pictures
from server.demo.history.plan import SEED
from server.demo.history.telling import Setting
from server.demo.people import Person
from server.demo.registering import register
from server.services import Services
from tests.told import HOURS, SCALE, Told, few_grids, tell


async def settle(services: Services, city: City, now: datetime) -> None:
    """Registry and people, as the demo is filled with them at `now`, but nobody's password."""
    since = now - timedelta(days=400)

    async def work(tx: Transaction) -> None:
        await register(tx.connection, city, since.date())
        await people.insert_users(tx.connection, [_user(services, person) for person in city.people])
        await people.insert_assignments(tx.connection, list(_assignments(city, since)))

    await services.database.write(work)
    await services.registry_holder.refresh()


def _user(services: Services, person: Person) -> NewUser:
    return NewUser(
        id=person.id,
        name=person.name,
        phone_index=services.keyring.index("phone", person.phone),
        phone_sealed=services.keyring.seal_for("phone", person.phone),
    )


def _assignments(city: City, since: datetime) -> Iterator[NewAssignment]:
    grids = {grid.code: grid.id for grid in city.grids}
    for person in city.people:
        for held in person.assignments:
            yield NewAssignment(
                user_id=person.id,
                role=held.role,
                grid_id=grids[held.grid_code] if held.grid_code else None,
                division=held.division_code,
                department=held.department,
                valid_from=since,
            )


async def live_through(services: Services, now: datetime = HOURS[3], *, photos: bool = False) -> Told:
    """Settle the grids and load their history up to `now` in this process; `photos`: with their bytes in the store."""
    city = few_grids()
    await settle(services, city, now)
    taken = take_pictures(now, SEED)
    await services.database.write(lambda tx: enter(tx, taken))
    if photos:
        await store(services, taken)
    setting = Setting(city=city, now=now, pictures=tuple(one.picture for one in taken), scale=SCALE)
    told = tell(services, setting)
    page = Page(services, Album(setting.pictures))
    for chronicle in told.chronicles:
        page.add(chronicle)
    await services.database.write(page.write)
    return told
