"""The city of the machine: its house, its people and their phones, and the accounts kept of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from copy import copy
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from server.services import Services
from server.usecases.sessions import Caller, Pair, begin_session
from server.usecases.tickets import Ticket, write_ticket
from sync.device import Device
from sync.feed import unsigned64
from tests import builders
from tests.builders import (
    ADMINISTRATOR,
    CHIEF,
    MATE,
    NEIGHBOUR,
    RIDER,
    SECOND_CHIEF,
    WEST_CHIEF,
    WEST_WORKER,
    WORKER,
    Person,
    grid_id,
)
from tests.machine.books import Act, Counts, Told, Written
from tests.machine.ground import Land, Plot
from tests.machine.handset import Handset
from tests.machine.house import House
from tests.machine.marks import Marks

FIELD = (WORKER, MATE, NEIGHBOUR, WEST_WORKER, CHIEF, SECOND_CHIEF, WEST_CHIEF, RIDER)
TRAIL = 200


class City:
    """All that an episode is about."""

    def __init__(self, house: House, chance: Random) -> None:
        self.house = house
        self.chance = chance
        self.marks = Marks()
        self.counts = Counts()
        self.trail: deque[str] = deque(maxlen=TRAIL)
        self.people: dict[UUID, Person] = {}
        self.phones: list[Handset] = []
        self.ledger: list[Written] = []
        self.told = Told()
        self.saved: Told | None = None
        self.epoch = ""
        self.life = 0
        self.written_at_backup = 0
        self.missing_at_backup: set[int] = set()
        self.held: list[tuple[Handset, UUID, int, str]] = []
        self.poison: list[tuple[Handset, UUID, int, bytes]] = []
        self.old_sets: set[tuple[UUID, int]] = set()
        self.joint_sets: set[tuple[UUID, int]] = set()
        self.kinds_seen: dict[UUID, str] = {}
        self.awaited_seen: set[UUID] = set()
        self.audit_seen: tuple[int, str] = (0, "")
        self.families: dict[int, int] = {}
        self.forks: dict[UUID, int] = {}
        self.serial = 10
        self._hired = 100
        self._numbers = 0

    @classmethod
    async def found(cls, house: House, chance: Random) -> City:
        """A city with one phone for each of its people in the field."""
        city = cls(house, chance)
        await builders.build_city(house.services)
        await city.note_epoch()
        for person in FIELD:
            city.employ(person, [] if person.division else [grid_id(code) for code in person.grids])
            await city.give_phone(person)
        return city

    @property
    def services(self) -> Services:
        """What the server holds open."""
        return self.house.services

    def new_id(self) -> UUID:
        """An id by the seed."""
        return UUID(int=self.chance.getrandbits(128), version=4)

    async def note_epoch(self) -> None:
        """Which epoch it is, by the database itself."""
        self.epoch = await self.house.truth.fetchval("SELECT id FROM epoch ORDER BY seq DESC LIMIT 1")

    @property
    def land(self) -> Land:
        """The registry, as the city was told of it."""
        return self.told.land

    @property
    def is_deaf(self) -> bool:
        """Whether the server has yet to look at the registry, which it does every two seconds."""
        return self.services.registry.version != self.land.version

    def deafen(self) -> None:
        """The server does not look at the registry until it is told to."""
        self.services.registry_holder._checked_at = float("inf")

    async def listen(self) -> None:
        """The server looks at the registry."""
        self.services.registry_holder._checked_at = float("-inf")
        await self.services.registry_holder.refresh()

    # People ----------------------------------------------------------------------------------------------------

    def employ(self, person: Person, grids: Sequence[UUID]) -> None:
        """Note somebody who is in office."""
        self.people[person.id] = person
        self.told.posts[person.id] = {(person.role, one) for one in grids} or {(person.role, None)}

    async def hire(self, like: Person, grids: Sequence[UUID]) -> Person:
        """Somebody new in the place of another."""
        self._hired += 1
        person = Person(like.role, f"13900000{self._hired}", division=like.division)
        await self.take_on(person, grids)
        return person

    async def take_on(self, person: Person, grids: Sequence[UUID]) -> None:
        """Write somebody into the database, with a current grid where his is there no more."""
        current = [one.id for one in self.land.at(grids)]
        if person.division is None and not current:
            current = [self.chance.choice(self.land.in_order).id]
        services, posts = self.services, {person.id: current}
        await services.database.write(lambda tx: builders.add_people(tx, services, [person], posts))
        self.employ(person, current)

    async def caller(self, person: Person) -> Caller:
        """Somebody at an office."""
        return await builders.caller(self.services, person)

    async def administrator(self) -> Caller:
        """Who keeps accounts."""
        return await self.caller(ADMINISTRATOR)

    def acted(self, action: str, subject: object, actor: Person | None) -> None:
        """Note what the audit trail must tell."""
        self.told.acts.append(Act(action, str(subject), actor.id if actor else None))

    def scope(self, phone: Handset) -> set[str]:
        """The streams that this phone may be given now, by what the city was told."""
        if phone.device_id in self.told.revoked or phone.person.id in self.told.left:
            return set()
        keys = {f"own/{phone.person.id}"}
        for role, grid in self.told.posts.get(phone.person.id, ()):
            if role in ("grid_worker", "grid_chief") and grid:
                keys.add(f"grid/{grid}")
            if role == "grid_chief" and grid:
                keys.add(f"restricted/{grid}")
        return keys

    def is_revoked(self, phone: Handset) -> bool:
        """Whether the server takes nothing of this phone as it stands."""
        return phone.device_id in self.told.revoked

    def grids_of(self, person: Person) -> list[UUID]:
        """The grids that somebody works in."""
        return sorted({grid for _, grid in self.told.posts.get(person.id, ()) if grid})

    def plots_of(self, person: Person) -> list[Plot]:
        """The current grids that somebody works in, and all of them for whoever works everywhere."""
        return self.land.in_order if person.division else self.land.at(self.grids_of(person))

    # Phones ----------------------------------------------------------------------------------------------------

    async def give_phone(self, person: Person) -> Handset:
        """A phone that was enrolled just now."""
        services, device_id = self.services, self.new_id()
        await self.house.truth.execute(
            "INSERT INTO device (id, user_id, name, platform, app) VALUES ($1, $2, '红米', 'android', '1.0')",
            device_id, person.id,
        )  # fmt: skip
        pair = await services.database.write(
            lambda tx: begin_session(tx, services, device_id, "device", person.id, device_id)
        )
        self._numbers += 1
        enrolled_at = await self.house.truth.fetchval("SELECT enrolled_at FROM device WHERE id = $1", device_id)
        ticket = write_ticket(
            services.keyring, Ticket(device_id, person.id, enrolled_at), f"installation-{self._numbers}"
        )
        device = Device.enrolled(device_id, person.id, services.catalogue.version, self.land.version, ticket=ticket)
        form = self.chance.choice(("json", "json", "msgpack"))
        phone = Handset(self._numbers, person, device, device_id, pair.access, form)
        phone.plots, phone.map_epoch = self.plots_of(person), self.epoch
        self.phones.append(phone)
        return phone

    def copy_phone(self, phone: Handset) -> Handset:
        """The same phone once more, restored from its backup of now."""
        self._numbers += 1
        device = Device.restore(phone.device.snapshot())
        twin = Handset(self._numbers, phone.person, device, phone.device_id, phone.access, phone.form)
        twin.install, twin.generation = phone.install, phone.generation
        twin.family = phone.family
        self.families[twin.number] = twin.family
        twin.outdated, twin.tampered = phone.outdated, phone.tampered
        twin.plots, twin.map_epoch = list(phone.plots), phone.map_epoch
        twin.pending = [copy(written) for written in phone.pending]
        self.phones.append(twin)
        return twin

    def refresh_token(self, phone: Handset) -> str:
        """The refresh token that the phone holds."""
        return Pair.of(self.services.keyring, phone.device_id, phone.generation).refresh

    def write(self, phone: Handset, op: str, item: UUID, values: dict[str, str | None]) -> None:
        """Enter into the ledger what a worker wrote: by field a token that is found nowhere else."""
        for name, token in values.items():
            written = Written(phone.number, item, op, name, token, life=self.life)
            self.ledger.append(written)
            phone.pending.append(written)

    def note_held(self, phone: Handset) -> None:
        """What a phone has pulled, of a database that is lost: some of it may be the phone's alone.

        What it let go of before counts no more.
        """
        members = {one for stream in phone.state.streams.values() for one in stream.members}
        held = [body for item, body in phone.state.items.items() if item in members]
        self.held = [one for one in self.held if one[0] is not phone]
        self.held += [(phone, body.id, body.version, body.rev) for body in held]

    # What is so ------------------------------------------------------------------------------------------------

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        """Rows by plain SQL."""
        return await self.house.truth.fetch(query, *arguments)

    async def digest(self, stream: str) -> int:
        """A stream's digest as the database holds it."""
        value = await self.house.truth.fetchval("SELECT digest FROM stream WHERE key = $1", stream)
        return unsigned64(value or 0)

    def now(self) -> datetime:
        """The time."""
        return datetime.now(UTC)


__all__ = ["FIELD", "City"]
