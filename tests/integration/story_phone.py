"""A phone as a person carries it: the reference device, enrolled and speaking over HTTP, with photos in its memory."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from msgspec import Raw, Struct, json

from schemas.wire import Capture, Clock, EvidenceState, Fix
from sync.device import Device
from sync.framing import decode_answer, encode_request
from tests.builders import photo, picture, point
from tests.protocol.live import LiveServer


class _Page(Struct):
    stream: str
    entries: list[Raw]
    digest: str | None = None


class _Pages(Struct):
    """The entries of an answer as the bytes they came in."""

    streams: list[_Page] = []


class StoryPhone:
    """A worker's phone."""

    def __init__(self, server: LiveServer, code: str) -> None:
        self.client = server.client()
        wish = {"code": code, "install": secrets.token_urlsafe(16), "name": "红米", "platform": "android", "app": "1.0"}
        enrolled = self._json("POST", "/v1/enrol", wish)
        self.client.headers["Authorization"] = f"Bearer {enrolled['access']}"
        catalogue = self.client.get("/v1/catalogue", params={"lang": "zh"}).headers["catalogue-version"]
        registry = self.client.get("/v1/registry").json()["version"]
        device, user = UUID(enrolled["device"]), UUID(enrolled["user"])
        self.device = Device.enrolled(device, user, catalogue, registry, enrolled["epoch"], "1.0", enrolled["ticket"])
        self._minutes = 0

    # Offline -----------------------------------------------------------------------------------------------

    def create(self, type_code: str, fields: dict[str, Any], grid: str, urgency: str | None = None) -> UUID:
        item_id = uuid4()
        self.device.create_item(item_id, type_code, self._capture(grid), fields, grid, urgency)
        return item_id

    def edit(self, item_id: UUID, grid: str, **fields: Any) -> None:
        self.device.edit_item(item_id, self._capture(grid), fields)

    def seal(self) -> None:
        assert self.device.seal_set(secrets.token_urlsafe(16)) is not None

    # Online ------------------------------------------------------------------------------------------------

    def send_and_lose_the_answer(self) -> httpx.Response:
        """The server has answered; the phone never hears it. Returned so that the test knows what was lost."""
        return self._send()[1]

    def sync(self) -> list[Any]:
        """Exchange until nothing is left; the receipts that came."""
        receipts: list[Any] = []
        while True:
            serial, response = self._send()
            assert response.status_code == 200, response.text
            answer = decode_answer(response.content, "json")
            receipts += answer.receipts
            if not self.device.apply_answer(serial, answer).again:
                return receipts

    def send_photos(self, *numbers: int) -> None:
        """Declare what the server waits for, PUT the bytes, and say so."""
        by_hash = {(one["sha256"], one["size"]): number for number, one in _known(numbers).items()}
        wanted = [{"sha256": own.sha256, "size": own.size} for own in self.device.photos_to_send()]
        declared = self._json("POST", "/v1/evidence", {"photos": wanted})["photos"]
        for one in declared:
            number = by_hash[one["sha256"], one["size"]]
            httpx.put(one["upload"]["url"], content=picture(number)).raise_for_status()
        uploads = [one["upload"]["id"] for one in declared]
        stored = self._json("POST", "/v1/evidence/uploaded", {"uploads": uploads})["photos"]
        states = [EvidenceState(one["sha256"], one["size"], "report", one["state"]) for one in stored]
        self.device.note_photos(states)

    def act(self, item_id: UUID, action: str, leaving: str) -> Any:
        return self._json("POST", f"/v1/cases/{item_id}", {"action": action, "from": leaving})

    def whole_stream(self, stream: str) -> tuple[list[bytes], str | None]:
        """What a fresh pull gives of a stream: each entry's bytes as they came, and the digest."""
        own = self.device.next_request(_clock()).request
        header = {"device": own.device, "clock": own.clock, "catalogue": own.catalogue, "registry": 0}
        body = json.encode(header) + b"\n"
        answer = self.client.post("/v1/exchange", content=body, headers={"Content-Type": "application/x-ndjson"})
        pages = json.decode(answer.content, type=_Pages).streams
        (page,) = [page for page in pages if page.stream == stream]
        return [bytes(entry) for entry in page.entries], page.digest

    @property
    def device_id(self) -> UUID:
        return self.device.next_request(_clock()).request.device

    def _send(self) -> tuple[int, httpx.Response]:
        outgoing = self.device.next_request(_clock())
        body = encode_request(outgoing.request, outgoing.sets, "json")
        headers = {"Content-Type": "application/x-ndjson"}
        return outgoing.serial, self.client.post("/v1/exchange", content=body, headers=headers)

    def _capture(self, grid: str) -> Capture:
        """Hours before it is sent, a minute after the last one."""
        self._minutes += 1
        here = point(grid)
        wall = datetime.now(UTC) - timedelta(hours=3)
        return Capture(wall, self._minutes * 60_000, "boot", Fix(here["lon"], here["lat"], "wgs84", 5.0))

    def _json(self, method: str, path: str, body: Any) -> Any:
        answer = self.client.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


def _known(numbers: tuple[int, ...]) -> dict[int, dict[str, Any]]:
    return {number: photo(number) for number in numbers}


def _clock() -> Clock:
    return Clock(datetime.now(UTC), 10_800_000, "boot")
