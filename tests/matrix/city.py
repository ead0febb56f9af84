"""The mini city with a second county beside it, and somebody in every role who works at home in the first one."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from server.console.visit import csrf_token
from server.db import registry, sessions
from server.db.database import Transaction
from server.db.registry import NewDivision, NewGrid, NewOrganisation
from server.sealing import token_hash
from server.services import Services
from server.usecases.devices import revoke_device
from server.usecases.leaving import leave
from server.usecases.sessions import Caller, begin_session
from sync.access import tier_of
from tests import builders
from tests.builders import CITY, GRIDS, Person, grid_id, organisation

FAR_COUNTY, FAR_STREET, FAR_COMMUNITY = "341181000000", "341181001000", "341181001001"
FAR_GRID, FAR_GRID_NAME = f"{FAR_COMMUNITY}001", "远处网格"
FAR_POINT = {"lon": 118.905, "lat": 32.705, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}

CITY_CENTRE = Person("city_centre", "13900000041", division=CITY)
SECURITY = Person("security_administrator", "13900000042", division=CITY)
FAR_WORKER = Person("grid_worker", "13900000043", (FAR_GRID,))
FAR_CHIEF = Person("grid_chief", "13900000044", (FAR_GRID,))
FAR_DISPATCHER = Person("dispatcher", "13900000045", division=FAR_STREET)
FAR_PETITIONER = Person("department_handler", "13900000046", division=FAR_STREET, department="xinfang")
LOST = Person("grid_worker", "13900000047", GRIDS[:1])
GONE = Person("grid_worker", "13900000048", GRIDS[:1])
_NEWCOMERS = (CITY_CENTRE, SECURITY, FAR_WORKER, FAR_CHIEF, FAR_DISPATCHER, FAR_PETITIONER, LOST, GONE)
_FAR_OFFICES = (("xiaofang", FAR_COUNTY), ("xinfang", FAR_STREET), ("shequ", FAR_COMMUNITY))

PERSONS: dict[str, Person] = {
    "grid_worker": builders.MATE,
    "author": builders.WORKER,
    "part_time_worker": builders.RIDER,
    "grid_chief": builders.CHIEF,
    "grid_adviser": builders.ADVISER,
    "community": builders.CADRE,
    "street": builders.STREET_CADRE,
    "county_centre": builders.CENTRE,
    "city_centre": CITY_CENTRE,
    "dispatcher": builders.DISPATCHER,
    "handler_holding": builders.FIREMAN,
    "handler_leading": builders.PETITIONER,
    "handler_named": builders.COMMITTEE,
    "handler_other": builders.POLICEMAN,
    "administrator": builders.ADMINISTRATOR,
    "security_administrator": SECURITY,
    "auditor": builders.AUDITOR,
}


class Actor(NamedTuple):
    """Somebody as he asks: `desk` and `phone` are headers of his sign-ins, `console` the one with his cookie."""

    role: str
    person: Person | None
    desk: dict[str, str]
    phone: dict[str, str]
    device: UUID
    console: dict[str, str]
    csrf: str


async def build(services: Services) -> None:
    """Put both counties into an empty database."""

    async def work(tx: Transaction) -> None:
        await builders.lay_out(tx, services)
        await _add_county(tx, services)

    await services.database.write(work)
    await services.registry_holder.refresh()


async def people_at_work(services: Services) -> list[Actor]:
    """One for each role, then nobody at all, a revoked device and somebody who has left."""
    actors = [await actor(services, role, person) for role, person in PERSONS.items()]
    lost, gone = await actor(services, "revoked", LOST), await actor(services, "departed", GONE)
    await revoke_device(services, await builders.caller(services, SECURITY), lost.device, "遗失")
    await leave(services, await builders.caller(services, builders.ADMINISTRATOR), GONE.phone, "离职")
    nobody = Actor("nobody", None, {}, {}, uuid4(), {}, "")
    # A phone signs in by itself and nowhere else: what is left of these two is their phones.
    return [*actors, nobody, lost._replace(desk=lost.phone, console={}), gone._replace(desk=gone.phone)]


async def actor(services: Services, role: str, person: Person) -> Actor:
    """Somebody with a phone who has signed in to the API and to the console."""
    device = (await builders.enrol(services, person)).device_id
    session, cookie = uuid4(), secrets.token_urlsafe(16)

    async def work(tx: Transaction) -> str:
        access = (token_hash(cookie), timedelta(minutes=60))
        await sessions.insert_session(tx.connection, session, "console", person.id, None, access, None)
        return (await begin_session(tx, services, device, "device", person.id, device)).access

    token = await services.database.write(work)
    console = Caller(user_id=person.id, name="", kind="console", assignments=(), session_id=session)
    return Actor(
        role=role,
        person=person,
        desk=await builders.sign_in(services, person),
        phone={"Authorization": f"Bearer {token}"},
        device=device,
        console={"Cookie": f"onegrid_console={cookie}"},
        csrf=csrf_token(services, console),
    )


async def _add_county(tx: Transaction, services: Services) -> None:
    places = ((FAR_COUNTY, CITY, "天长市"), (FAR_STREET, FAR_COUNTY, "天长街道"), (FAR_COMMUNITY, FAR_STREET, "远社区"))
    await registry.insert_divisions(
        tx.connection,
        [NewDivision(code=code, parent=parent, tier=tier_of(code), name_zh=name) for code, parent, name in places],
    )
    ring = [(118.9, 32.7), (118.91, 32.7), (118.91, 32.71), (118.9, 32.71), (118.9, 32.7)]
    grid = NewGrid(
        id=grid_id(FAR_GRID),
        code=FAR_GRID,
        community=FAR_COMMUNITY,
        kind="general",
        name=FAR_GRID_NAME,
        outline=[ring],
        synthetic=True,
    )
    await registry.insert_grids(tx.connection, 1, [grid])
    await registry.insert_organisations(tx.connection, [_office(*one) for one in _FAR_OFFICES])
    await builders.add_people(tx, services, _NEWCOMERS)


def _office(department: str, division: str) -> NewOrganisation:
    one = organisation(department, division)
    return NewOrganisation(
        id=one.id, department=department, division=division, tier=one.tier, name_zh=department, name_en=department
    )
