"""A phone whose every byte is put together by hand, so that it can say anything, right or wrong.

It knows the protocol from docs/protocol.md alone: plain dictionaries, `json`, `hashlib`, none of the product's types.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from tests import builders
from tests.builders import GRIDS, WORKER, Person, point
from tests.protocol.live import LiveServer, begin_device_session

LINES = "application/x-ndjson"
MSGPACK = "application/msgpack"
NONCE = "AAAAAAAAAAAAAAAAAAAAAA"


class RawPhone:
    """An enrolled phone and its next number."""

    def __init__(self, server: LiveServer, person: Person = WORKER) -> None:
        self.server = server
        self.person = person
        phone = server.run(builders.enrol(server.services, person))
        self.id = str(phone.device_id)
        self.no = 0
        # Nothing is dated before the enrolment.
        server.sql("UPDATE device SET enrolled_at = now() - interval '30 days' WHERE id = $1", phone.device_id)
        access = server.run(begin_device_session(server.services, person, phone.device_id))
        self.client = server.client({"Authorization": f"Bearer {access}"})

    # What is said ------------------------------------------------------------------------------------------

    def header(self, **more: Any) -> dict[str, Any]:
        """The first line of an exchange."""
        clock = {"wall": now(), "mono": 7_200_000, "boot": "boot"}
        return {"device": self.id, "clock": clock, "catalogue": self.catalogue, "registry": 1} | more

    def change_set(self, changes: list[Any], no: int | None = None, **more: Any) -> dict[str, Any]:
        """A set as a dictionary; without `no` it takes the phone's next number."""
        if no is None:
            self.no += 1
            no = self.no
        user = str(self.person.id)
        named = {"no": no, "device": self.id, "holder": user, "author": user}
        versions = {"catalogue": self.catalogue, "registry": 1, "nonce": NONCE}
        return named | versions | {"changes": changes} | more

    @property
    def catalogue(self) -> str:
        return self.server.services.catalogue.version

    # How it is sent ----------------------------------------------------------------------------------------

    def post(self, body: bytes, **headers: str) -> httpx.Response:
        """Any bytes."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post("/v1/exchange", content=body, headers={"Content-Type": LINES} | given)

    def exchange(self, *sets: bytes, **header: Any) -> dict[str, Any]:
        """The answer to an exchange in JSON lines, which must be taken."""
        answer = self.post(lines(self.header(**header), *sets))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def push(self, *changes: Any) -> dict[str, Any]:
        """The receipt of these changes as the next set."""
        raw = compact(self.change_set(list(changes)))
        (receipt,) = self.exchange(raw, first=self.no)["receipts"]
        assert receipt["hash"] == sha256(raw).hexdigest()
        return receipt

    def pull(self, cursors: dict[str, Any] | None = None, **header: Any) -> dict[str, Any]:
        """An exchange without sets."""
        return self.exchange(cursors=cursors or {}, **header)


def now(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def capture(grid: str = GRIDS[0]) -> dict[str, Any]:
    """Written a minute before the sending, in the middle of a grid."""
    here = {key: point(grid)[key] for key in ("lon", "lat", "crs", "accuracy")}
    return {"wall": now(minutes=1), "mono": 7_140_000, "boot": "boot", "position": here}


def create(type_code: str = "0102", grid: str = GRIDS[0], /, **fields: Any) -> dict[str, Any]:
    """A new item whose form is filled in unless it is given."""
    filled = builders.form(type_code, grid) | fields
    one = {"op": "create", "item": str(uuid4()), "type": type_code, "capture": capture(grid)}
    return one | {"grid": grid, "fields": filled}


def update(made: dict[str, Any], base: list[Any] | None, /, **fields: Any) -> dict[str, Any]:
    """An edit of an item."""
    edit = {"op": "update", "item": made["item"], "type": made["type"], "capture": capture(), "fields": fields}
    return edit | ({"base": base} if base else {})


def compact(value: Any) -> bytes:
    """JSON in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def packed(value: Any) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(value)


def lines(header: Any, *sets: bytes) -> bytes:
    """The JSON form of an exchange."""
    return b"".join(line + b"\n" for line in [compact(header), *sets])


def as_base(outcome: dict[str, Any]) -> list[Any]:
    """The revision that a receipt names, as the base of the next edit."""
    return [outcome["version"], outcome["rev"]]


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document, which must be one with this code."""
    problem = is_problem(answer)
    assert (answer.status_code, problem["code"]) == (status, code), problem
    return problem


def is_problem(answer: httpx.Response) -> dict[str, Any]:
    """The answer as RFC 9457 and docs/protocol.md want a refusal to be; anything else fails."""
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:500])
    assert answer.headers["content-type"] == "application/problem+json", answer.headers
    problem = answer.json()
    required = {"type", "title", "status", "detail", "code", "zh", "en", "request_id"}
    assert required <= problem.keys() <= required | {"field", "checks"}, problem
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"/errors/{problem['code']}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem
