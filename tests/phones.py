"""Reference devices that speak to a running application over HTTP, one exchange at a time."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from schemas.wire import Capture, Clock, ExchangeAnswer, Fix
from server.services import Services
from server.usecases.sessions import begin_session
from server.usecases.tickets import Ticket, write_ticket
from sync.device import Applied, Device
from sync.framing import Form, decode_answer, encode_request
from tests.builders import GRIDS, Person, enrol, point

_MEDIA = {"json": "application/x-ndjson", "msgpack": "application/msgpack"}


def clock() -> Clock:
    """The phone's clocks now, two hours into its boot."""
    return Clock(datetime.now(UTC), 7_200_000, "boot")


class FieldPhone:
    """A phone with its reference device: edits in memory, exchanges over the wire.

    `install`: what its app called itself when it was enrolled.
    """

    install = "installation-1"

    def __init__(self, client: httpx.AsyncClient, device: Device, device_id: UUID, access: str, form: Form) -> None:
        self.client = client
        self.device = device
        self.device_id = device_id
        self.headers = {"Authorization": f"Bearer {access}", "Content-Type": _MEDIA[form]}
        self.form: Form = form
        self.minutes = 0

    def capture(self, grid: str = GRIDS[0]) -> Capture:
        """A minute after the last one, in the middle of a grid."""
        self.minutes += 1
        here = point(grid)
        return Capture(
            datetime.now(UTC) - timedelta(hours=2), self.minutes * 60_000, "boot",
            Fix(here["lon"], here["lat"], "wgs84", 5.0),
        )  # fmt: skip

    def create(self, type_code: str, fields: dict[str, Any], grid: str = GRIDS[0], **more: Any) -> UUID:
        """A new item in the draft."""
        item_id = uuid4()
        self.device.create_item(item_id, type_code, self.capture(grid), fields, grid, **more)
        return item_id

    def edit(self, item_id: UUID, **fields: Any) -> None:
        """An edit in the draft."""
        self.device.edit_item(item_id, self.capture(), fields)

    def seal(self) -> None:
        """Close the draft into a numbered set."""
        self.device.seal_set(secrets.token_urlsafe(16), form=self.form)

    async def send(self, answer_bytes: int | None = None) -> tuple[int, httpx.Response]:
        """One request, its answer not yet applied."""
        outgoing = self.device.next_request(clock(), answer_bytes=answer_bytes, form=self.form)
        body = encode_request(outgoing.request, outgoing.sets, self.form)
        response = await self.client.post("/v1/exchange", content=body, headers=self.headers)
        return outgoing.serial, response

    def apply(self, serial: int, response: httpx.Response) -> tuple[ExchangeAnswer, Applied]:
        """Take an answer in."""
        assert response.status_code == 200, response.text
        answer = decode_answer(response.content, self.form)
        applied = self.device.apply_answer(serial, answer)
        # A repair would heal, and so hide, whatever the server left out.
        assert applied.repaired == []
        return answer, applied

    async def come_back(self) -> httpx.Response:
        """Show the ticket; if it is taken, go on with the tokens it brings."""
        wish = {"ticket": self.device.ticket, "install": self.install}
        response = await self.client.post("/v1/enrol", json=wish)
        if response.status_code == 200:
            self.headers["Authorization"] = f"Bearer {response.json()['access']}"
        return response

    async def sync(self) -> list[ExchangeAnswer]:
        """Exchange until nothing is left to push or pull."""
        answers: list[ExchangeAnswer] = []
        while True:
            answer, applied = self.apply(*await self.send())
            answers.append(answer)
            if not applied.again:
                return answers


async def field_phone(services: Services, client: httpx.AsyncClient, person: Person, form: Form = "json") -> FieldPhone:
    """A freshly enrolled phone of somebody."""
    phone = await enrol(services, person)
    pair = await services.database.write(
        lambda tx: begin_session(tx, services, phone.device_id, "device", person.id, phone.device_id)
    )
    async with services.database.read() as connection:
        row = await connection.fetchrow("SELECT id, user_id, enrolled_at FROM device WHERE id = $1", phone.device_id)
    assert row is not None
    ticket = write_ticket(services.keyring, Ticket(*row.values()), FieldPhone.install)
    device = Device.enrolled(phone.device_id, person.id, services.catalogue.version, 1, ticket=ticket)
    return FieldPhone(client, device, phone.device_id, pair.access, form)
