"""A city with something to do in it for everybody: one token a role, and an item, a case, a photo to act on."""

from __future__ import annotations

from typing import Any

from schemas.evidence import PhotoRef
from server.usecases.evidence import declare
from tests import builders
from tests.builders import (
    ADMINISTRATOR,
    ADVISER,
    AUDITOR,
    CADRE,
    CENTRE,
    CHIEF,
    DISPATCHER,
    FIREMAN,
    POLICEMAN,
    RIDER,
    STREET_CADRE,
    WORKER,
    photo,
)
from tests.protocol.live import PASSWORD, LiveServer
from tests.protocol.rawphone import RawPhone, create

IN_THE_FIELD = {"worker": WORKER, "chief": CHIEF, "rider": RIDER, "adviser": ADVISER}
AT_A_DESK = {
    "community": CADRE,
    "street": STREET_CADRE,
    "dispatcher": DISPATCHER,
    "county centre": CENTRE,
    "administrator": ADMINISTRATOR,
    "auditor": AUDITOR,
    "fire department": FIREMAN,
    "police": POLICEMAN,
    "chief at a desk": CHIEF,
}


class Inhabited:
    """The server's city with people at work; `tokens` are headers by role."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.phones = {role: RawPhone(server, person) for role, person in IN_THE_FIELD.items()}
        held = {role: dict(phone.client.headers) for role, phone in self.phones.items()}
        self.tokens = {role: {"Authorization": headers["authorization"]} for role, headers in held.items()}
        self.tokens |= {role: server.sign_in(person) for role, person in AT_A_DESK.items()}
        server.give_password(CADRE)
        self._photo_number = 0

    def report(self, **fields: Any) -> dict[str, Any]:
        """A fire hazard of the worker, as a revision that a reviewer names."""
        change = create("0401", **fields) | {"urgency": "normal"}
        (outcome,) = self.phones["worker"].push(change)["outcomes"]
        assert outcome["outcome"] == "applied", outcome
        return {key: outcome[key] for key in ("item", "version", "rev")}

    def verified_photo(self) -> dict[str, Any]:
        """A photo whose bytes the worker has sent and that were checked."""
        self._photo_number += 1
        self.server.run(builders.deliver(self.server.services, WORKER, self._photo_number))
        return photo(self._photo_number)

    def open_upload(self) -> str:
        """An upload that the worker was given and has not used."""
        self._photo_number += 1
        one = photo(self._photo_number)
        caller = self.server.run(builders.caller(self.server.services, WORKER))
        ref = PhotoRef(one["sha256"], one["size"])
        (declared,) = self.server.run(declare(self.server.services, caller, [ref]))
        assert declared.upload is not None
        return str(declared.upload.id)

    def approved(self) -> dict[str, Any]:
        """A hazard with a verified photo that the chief has approved; its case waits at the desk."""
        seen = self.report(photos=[self.verified_photo()])
        self.ask("chief", "POST", "/v1/reviews", {"decisions": [seen | {"decision": "approve"}]})
        return seen

    def code(self) -> str:
        """A fresh enrolment code for the worker."""
        made = self.ask("administrator", "POST", "/v1/enrol/codes", {"user": str(WORKER.id)})
        return made["codes"][0]["code"]

    def ask(self, role: str, method: str, path: str, body: Any = None) -> Any:
        """The answer's body; it must be a success."""
        with self.server.client(self.tokens[role]) as client:
            answer = client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


def password_grant() -> dict[str, str]:
    """How the community's cadre signs in."""
    return {"grant": "password", "phone": CADRE.phone, "password": PASSWORD}
