"""Phones that write on while their server is killed under them, and write down beside it all that they wrote and heard.

What a phone wrote is in the ledger before it is sent; a receipt is noted once it was read. Neither is ever corrected.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from random import Random
from typing import Any, Literal
from uuid import UUID

import httpx
import msgspec

from schemas.forms import packaged
from schemas.wire import ExchangeAnswer, Operation, Receipt
from server.services import Services
from server.simulate.ledger import Ledger, Written
from sync.device import VisibleItem
from sync.framing import decode_answer, encode_request
from tests.builders import CHIEF, MATE, NEIGHBOUR, WORKER, Person, form
from tests.phones import FieldPhone, clock, field_phone

Heard = Literal["nothing", "not_ready", "all"]
"""How a request ended: the connection broke, the server said that it is not ready, or a whole answer came."""

CREW: tuple[tuple[Person, str], ...] = ((WORKER, "json"), (MATE, "msgpack"), (NEIGHBOUR, "json"), (CHIEF, "msgpack"))
_MOST_TEXT = 200
_MOST_EXCHANGES = 200
_DWELLING, _RESIDENT = "0102", "0101"


class Unexpected(Exception):
    """An answer that no kill explains."""


class Walker:
    """One phone. `rng` makes all that it writes, ids and nonces included."""

    def __init__(self, phone: FieldPhone, person: Person, rng: Random, ledger: Ledger) -> None:
        self.person, self.device_id, self._phone = person, phone.device_id, phone
        self.device = phone.device
        self.raws: dict[int, bytes] = {}
        self.receipts: dict[int, bytes] = {}
        self.tokens: list[tuple[UUID, str]] = []
        """What it appended to texts, each another: the item and the words."""
        self._rng, self._ledger = rng, ledger
        self._draft: list[tuple[Operation, UUID, str, dict[str, Any], int]] = []

    # Writing -------------------------------------------------------------------------------------------------

    def write(self, sets: int) -> None:
        """So many change sets of one to three changes."""
        for _ in range(sets):
            seen = self.device.items()
            dwellings = [one for one in seen if one.type == _DWELLING and one.version]
            residents = [one for one in seen if one.type == _RESIDENT]
            for _ in range(self._rng.randint(1, 3)):
                self._change(dwellings, residents)
            self._seal()

    def _change(self, dwellings: Sequence[VisibleItem], residents: list[VisibleItem]) -> None:
        """One change more in the draft; a resident that it is about is taken off the list."""
        chance = self._rng.random()
        if not dwellings or chance < 0.1:
            self._create(_DWELLING, unit_no=f"{self._word()}-1")
        elif not residents or chance < 0.4:
            at = self._rng.choice(dwellings)
            self._create(_RESIDENT, at.code, name=f"王{self._word()}", dwelling=str(at.id))
        else:
            self._edit(residents.pop(self._rng.randrange(len(residents))), chance)

    def _news(self, item: UUID, fields: dict[str, Any], chance: float) -> dict[str, Any]:
        """Mostly words appended to a text, which would stand there twice if they came twice."""
        text = fields.get("remark", "")
        if chance > 0.95:
            return {"name": f"李{self._word()}"}
        if chance > 0.85 or len(text) > _MOST_TEXT:
            return {"phone": f"138{self._rng.randrange(10**8):08}"}
        word = f"<{self._word()}>"
        self.tokens.append((item, word))
        return {"remark": f"{text}\n{word}" if text else word}

    def _create(self, item_type: str, grid: str | None = None, **fields: Any) -> None:
        item, grid = UUID(int=self._rng.getrandbits(128), version=4), grid or self.person.grids[0]
        filled = form(item_type, grid) | fields
        self.device.create_item(item, item_type, self._phone.capture(grid), filled, grid)
        self._draft.append(("create", item, item_type, filled, 0))

    def _edit(self, one: VisibleItem, chance: float) -> None:
        if chance < 0.43:
            self.device.delete_item(one.id, self._phone.capture())
            self._draft.append(("delete", one.id, _RESIDENT, {}, one.version))
            return
        fields = self._news(one.id, one.fields, chance)
        self.device.edit_item(one.id, self._phone.capture(), fields)
        self._draft.append(("update", one.id, _RESIDENT, fields, one.version))

    def _seal(self) -> None:
        nonce = base64.urlsafe_b64encode(self._rng.randbytes(16)).rstrip(b"=").decode()
        no = self.device.seal_set(nonce, self._phone.form)
        assert no is not None
        for index, (op, item, item_type, fields, base) in enumerate(self._draft):
            normal = packaged().types[item_type].normalise(fields)
            self._ledger.write(Written(self.device_id, no, index, item, item_type, op, normal, base, 0))
        self._draft.clear()

    def _word(self) -> str:
        return f"{self._rng.getrandbits(40):010x}"

    # Exchanging ----------------------------------------------------------------------------------------------

    async def try_once(self) -> Heard:
        """One request, whatever becomes of it."""
        return (await self._exchange())[0]

    async def sync(self) -> None:
        """Exchange until nothing is left to send or to pull; nobody kills anything meanwhile."""
        for _ in range(_MOST_EXCHANGES):
            heard, again = await self._exchange()
            if heard == "all" and not again:
                return
        raise Unexpected(f"{self.device_id}: exchanges do not come to an end")

    async def ask_again(self, first: int, count: int) -> list[Receipt]:
        """The receipts for sets that it has receipts for."""
        request = self.device.next_request(clock(), max_sets=0, form=self._phone.form).request
        sets = [self.raws[no] for no in range(first, min(first + count, len(self.raws) + 1))]
        return (await self._read(msgspec.structs.replace(request, first=first), sets)).receipts

    async def _exchange(self) -> tuple[Heard, bool]:
        outgoing = self.device.next_request(clock(), form=self._phone.form)
        self.raws |= dict(enumerate(outgoing.sets, outgoing.request.first))
        try:
            answer = await self._read(outgoing.request, outgoing.sets)
        except httpx.TransportError:
            return "nothing", True
        except NotReady:
            return "not_ready", True
        for receipt in answer.receipts:
            self.receipts.setdefault(receipt.no, msgspec.msgpack.encode(receipt))
        return "all", self.device.apply_answer(outgoing.serial, answer).again

    async def _read(self, request: Any, sets: list[bytes]) -> ExchangeAnswer:
        form = self._phone.form
        body = encode_request(request, sets, form)
        response = await self._phone.client.post("/v1/exchange", content=body, headers=self._phone.headers)
        if response.status_code == 503:
            raise NotReady
        if response.status_code != 200:
            raise Unexpected(f"{self.device_id}: {response.status_code} {response.text[:300]}")
        return decode_answer(response.content, form)


class NotReady(Exception):
    """The server answered 503: the phone comes back."""


async def walkers(services: Services, client: httpx.AsyncClient, seed: int, ledger: Ledger) -> list[Walker]:
    """The crew: two mates in one grid, one in the next, and the chief of both."""
    return [
        Walker(await field_phone(services, client, person, form), person, Random(f"{seed} {person.phone}"), ledger)  # type: ignore[arg-type]
        for person, form in CREW
    ]
