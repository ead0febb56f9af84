"""What is said in the golden files: one function a file, spoken against a fresh server to record it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec

from tests.builders import CHIEF, DISPATCHER, GRIDS, MATE, WORKER, Person, form, grid_id, photo, picture
from tests.protocol.conversation import Talk
from tests.protocol.live import PASSWORD

LINES, MSGPACK = "application/x-ndjson", "application/msgpack"
CLOCK = {"wall": "2026-01-05T10:00:00+08:00", "mono": 3_660_000, "boot": "boot-1"}
STREAM = f"grid/{grid_id(GRIDS[0])}"


def item(number: int) -> str:
    """An id as a phone makes it."""
    return f"019b0000-0000-7000-8000-{number:012d}"


def capture() -> dict[str, Any]:
    position = {"lon": 117.905, "lat": 32.705, "crs": "wgs84", "accuracy": 5.0}
    return {"wall": "2026-01-05T09:00:00+08:00", "mono": 60_000, "boot": "boot-1", "position": position}


def created(number: int, type_code: str, **fields: Any) -> dict[str, Any]:
    filled = form(type_code) | fields
    one = {"op": "create", "item": item(number), "type": type_code, "capture": capture(), "grid": GRIDS[0]}
    return one | {"fields": filled}


def edited(number: int, type_code: str, base: list[Any], **fields: Any) -> dict[str, Any]:
    one = {"op": "update", "item": item(number), "type": type_code, "capture": capture(), "base": base}
    return one | {"fields": fields}


def deleted(number: int, type_code: str, base: list[Any]) -> dict[str, Any]:
    return {"op": "delete", "item": item(number), "type": type_code, "capture": capture(), "base": base}


class Phone:
    """A phone that enrols in the conversation and numbers its sets."""

    def __init__(self, talk: Talk, person: Person = WORKER, install: str = "install-0001") -> None:
        self.talk = talk
        desk = signed_in(talk, CHIEF)
        made = talk.say(
            "The grid chief makes an enrolment code.",
            *("POST", "/v1/enrol/codes"),
            json={"user": str(person.id), "count": 1},
            headers=desk | {"Content-Type": "application/json"},
        )
        enrolled = talk.say(
            "The app enrols with it.",
            *("POST", "/v1/enrol"),
            json={"code": made["codes"][0]["code"], "install": install, "name": "红米", "platform": "android"},
            headers={"Content-Type": "application/json"},
        )
        self.device, self.user = enrolled["device"], enrolled["user"]
        self.headers = {"Authorization": f"Bearer {enrolled['access']}"}
        self.version = talk.server.services.catalogue.version
        self.no = 0

    def change_set(self, *changes: Any, no: int | None = None) -> dict[str, Any]:
        if no is None:
            self.no += 1
        named = {"no": no or self.no, "device": self.device, "holder": self.user, "author": self.user}
        versions = {"catalogue": self.version, "registry": 1, "nonce": "AAAAAAAAAAAAAAAAAAAAAA"}
        return named | versions | {"changes": list(changes)}

    def header(self, **more: Any) -> dict[str, Any]:
        return {"device": self.device, "clock": CLOCK, "catalogue": self.version, "registry": 1} | more

    def exchange(self, what: str, *sets: bytes, **header: Any) -> Any:
        lines = [compact(self.header(**header)), *sets]
        headers = self.headers | {"Content-Type": LINES}
        return self.talk.say(what, "POST", "/v1/exchange", lines=lines, headers=headers)

    def push(self, what: str, *changes: Any, **header: Any) -> Any:
        raw = compact(self.change_set(*changes))
        return self.exchange(what, raw, first=self.no, **header)

    def post(self, what: str, path: str, body: Any) -> Any:
        headers = self.headers | {"Content-Type": "application/json"}
        return self.talk.say(what, "POST", path, json=body, headers=headers)


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def signed_in(talk: Talk, person: Person) -> dict[str, str]:
    talk.server.give_password(person)
    pair = talk.say(
        f"Somebody with the role {person.role} signs in.",
        *("POST", "/v1/token"),
        json={"grant": "password", "phone": person.phone, "password": PASSWORD},
        headers={"Content-Type": "application/json"},
    )
    return {"Authorization": f"Bearer {pair['access']}"}


def cursors(answer: Any) -> dict[str, Any]:
    return {page["stream"]: page["cursor"] for page in answer["streams"]}


# The conversations -----------------------------------------------------------------------------------------


def enrolment(talk: Talk) -> None:
    """Enrolling with a lost answer, refreshing with a lost answer, and what is refused afterwards."""
    phone = Phone(talk)
    plain = {"Content-Type": "application/json"}
    wish = talk.steps[-1]["request"]["json"] | {"code": talk.bindings.values[talk.steps[-1]["request"]["json"]["code"]]}
    again = talk.say("The answer was lost: the same again.", "POST", "/v1/enrol", json=wish, headers=plain)
    grant = {"grant": "refresh", "refresh": again["refresh"]}
    talk.say("The next pair.", "POST", "/v1/token", json=grant, headers=plain)
    pair = talk.say("That answer was lost too: the same successor.", "POST", "/v1/token", json=grant, headers=plain)
    headers = {"Authorization": f"Bearer {pair['access']}", "Content-Type": LINES}
    phone.headers = headers
    phone.exchange("The new token is used for the first time.")
    talk.say("From now on the replaced token is worth nothing.", "POST", "/v1/token", json=grant, headers=plain)
    talk.say("And the code is spent.", "POST", "/v1/enrol", json=wish, headers=plain)
    shown = {"ticket": again["ticket"], "install": wish["install"]}
    talk.say("A server that knows the device takes no ticket.", "POST", "/v1/enrol", json=shown, headers=plain)
    shown["install"] = "install-0002"
    talk.say("Nor does any server, from another installation.", "POST", "/v1/enrol", json=shown, headers=plain)


def restored_phone(talk: Talk) -> None:
    """A phone restored from its backup: its number was used for something else, and it becomes a device of its own."""
    phone = Phone(talk)
    phone.push("What was sent after the backup.", created(1, "0102"))
    other = compact(phone.change_set(created(2, "0102"), no=1))
    phone.exchange("The restored copy uses the same number for something else.", other, first=1)
    body = {"install": "install-0002", "refused": {"no": 1, "hash": sha256(other).hexdigest()}, "name": "红米"}
    made = phone.post("It becomes a device of its own.", "/v1/enrol/fork", body)
    phone.post("The answer was lost: the same again.", "/v1/enrol/fork", body)
    phone.push("The device that it was is not disturbed.", created(3, "0102"))
    phone.device, phone.no, phone.headers = made["device"], 0, {"Authorization": f"Bearer {made['access']}"}
    phone.push("The copy goes on, with numbers of its own.", created(2, "0102"))
    unknown = body | {"install": "install-0003", "refused": {"no": 1, "hash": "ab" * 32}}
    phone.post("A device that is its own is given no other.", "/v1/enrol/fork", unknown)


def catalogue_and_registry(talk: Talk) -> None:
    """What a phone loads once and asks about afterwards."""
    phone = Phone(talk)
    talk.say("The catalogue.", "GET", "/v1/catalogue?lang=zh", headers=phone.headers, left_out=True)
    held = phone.headers | {"If-None-Match": '"some-older-one"'}
    talk.say("Another one is held.", "GET", "/v1/catalogue", headers=held, left_out=True)
    for path in ("/v1/catalogue?lang=zh", "/v1/registry"):
        etag = _etag(talk, path, phone.headers)
        held = phone.headers | {"If-None-Match": etag}
        talk.say("The current one is held.", "GET", path, headers=held)
    what = "Nothing changed since the version that the phone holds."
    talk.say(what, "GET", "/v1/registry?since=1", headers=phone.headers)


def _etag(talk: Talk, path: str, headers: dict[str, str]) -> str:
    if path == "/v1/registry":
        talk.say("The grids of the worker's scope.", "GET", path, headers=headers)
    noted = next(s for s in reversed(talk.steps) if s["request"]["path"] == path and s["response"]["status"] == 200)
    return talk.bindings.values[noted["response"]["headers"]["etag"]]


def first_exchanges(talk: Talk) -> None:
    """From an empty phone to a receipt, a repeated receipt, and asking whether there is anything new."""
    phone = Phone(talk)
    empty = phone.exchange("The first exchange: both streams are gained, and empty.")
    known = cursors(empty) | {}
    mark = {"headers": phone.headers}
    talk.say("Nothing new.", "GET", f"/v1/exchange?mark={empty['mark']}", **mark)
    dwelling = compact(phone.change_set(created(1, "0102", rooms_let=2)))
    lost = phone.exchange("A dwelling is pushed; the answer is lost.", dwelling, first=1, cursors=known)
    talk.say("By the old mark there is something.", "GET", f"/v1/exchange?mark={empty['mark']}", **mark)
    phone.exchange("The same bytes again: the same receipt, and what is new.", dwelling, first=1, cursors=known)
    known |= cursors(lost)
    base = [1, lost["receipts"][0]["outcomes"][0]["rev"]]
    two = compact(phone.change_set(edited(1, "0102", base, rooms_let=3)))
    three = compact(phone.change_set(edited(1, "0102", base, gas_cylinder=True), created(2, "0102")))
    phone.exchange(
        "Two sets; the second edit carries the base last pulled as well.", two, three, first=2, cursors=known
    )
    phone.exchange("A number beyond the next: told what is expected.", three, first=9, cursors=known)


def one_set(talk: Talk) -> None:
    """A set with a creation, an edit and a deletion, and what it is answered: the example of docs/protocol.md."""
    phone = Phone(talk)
    first, second, third = (created(one, "0102", address=f"明珠路{one}号") for one in (1, 2, 3))
    first["fields"]["rooms_let"] = 2
    made = phone.push("Two dwellings.", first, second)
    kept, gone = ([1, one["rev"]] for one in made["receipts"][0]["outcomes"])
    changes = third, edited(1, "0102", kept, gas_cylinder=True, rooms_let=None), deleted(2, "0102", gone)
    raw = compact(phone.change_set(*changes) | {"epoch": made["epoch"]})
    about = {"epoch": made["epoch"], "app": "field/1.0", "acknowledged": 1, "unsent": 3, "cursors": cursors(made)}
    phone.exchange("One more, one edited, one deleted.", raw, first=2, **about)


def bad_sets(talk: Talk) -> None:
    """A set that cannot be read, a change that is wrong, a set of another author, a number used twice."""
    phone = Phone(talk)
    good = compact(phone.change_set(created(1, "0102")))
    cut = compact(phone.change_set(created(2, "0102")))[:-40]
    wrong = compact(
        phone.change_set(created(3, "0102", use="castle"), created(4, "0102"), created(5, "0102") | {"type": "9999"})
    )
    strange = phone.change_set(created(6, "0102")) | {"author": str(MATE.id)}
    future = phone.change_set(created(7, "0102")) | {"catalogue": "2999.1"}
    sets = [good, cut, wrong, compact(strange), compact(future)]
    phone.exchange("One good set and four that are not.", *sets, first=1)
    other = compact(phone.change_set(created(8, "0102"), no=1))
    phone.exchange("Number 1 once more, with other bytes.", other, first=1)


def messagepack(talk: Talk) -> None:
    """The same exchange in MessagePack, with a set in each form."""
    phone = Phone(talk)
    sets = [
        msgspec.msgpack.encode(phone.change_set(created(1, "0102"))),
        compact(phone.change_set(created(2, "0401", description="楼道堆放纸箱") | {"urgency": "urgent"})),
    ]
    body = msgspec.msgpack.encode(phone.header(first=1, sets=sets))
    headers = phone.headers | {"Content-Type": MSGPACK}
    talk.say("Two sets and a pull.", "POST", "/v1/exchange", body=body, headers=headers)
    broken = msgspec.msgpack.encode(phone.header(first=3, sets=[b"\xc1"]))
    talk.say("A set that cannot be read.", "POST", "/v1/exchange", body=broken, headers=headers)


def conflict(talk: Talk) -> None:
    """Two phones change one field: the later to arrive is parked, and disjoint fields merge."""
    first, second = Phone(talk), Phone(talk, MATE, "install-0002")
    made = first.push("A dwelling.", created(1, "0102", rooms_let=1))
    base = [1, made["receipts"][0]["outcomes"][0]["rev"]]
    known = cursors(second.exchange("The other phone pulls it."))
    first.push("The first changes address and number of rooms.", edited(1, "0102", base, address="甲", rooms_let=2))
    parked = second.push(
        "The second, not knowing, changes the address too, and something else.",
        edited(1, "0102", base, address="乙", gas_cylinder=True),
        cursors=known,
    )
    known |= cursors(parked)
    second.push("A further edit of the parked field joins it.", edited(1, "0102", base, address="丙"), cursors=known)


def released_notice(talk: Talk) -> None:
    """What was written in a grid that is not the worker's is released, and he puts the notice of it away."""
    phone = Phone(talk)
    empty = phone.exchange("The first exchange.")
    foreign = created(1, "0102", location=form("0102", GRIDS[1])["location"]) | {"grid": GRIDS[1]}
    known = cursors(empty)
    phone.push("A dwelling in a neighbour's grid is kept for a person.", foreign, cursors=known)
    talk.release_held()
    told = phone.exchange("Its author is told.", cursors=known)
    known |= cursors(told)
    (entry,) = (one for page in told["streams"] for one in page["entries"] if one["kind"] == "notice")
    seen = [[entry["id"], entry["version"]]]
    known |= cursors(phone.exchange("He has read it and put it away.", cursors=known, put_away=seen))
    phone.exchange("Named once more, it changes nothing.", cursors=known, put_away=seen)


def coming_and_going(talk: Talk) -> None:
    """A deleted item leaves an absence; a stream that is not the phone's is lost; a wrong cursor begins again."""
    first, second = Phone(talk), Phone(talk, MATE, "install-0002")
    made = first.push("Two dwellings.", created(1, "0102"), created(2, "0102"))
    known = cursors(second.exchange("The other phone pulls them."))
    base = [1, made["receipts"][0]["outcomes"][0]["rev"]]
    first.push("One is deleted.", deleted(1, "0102", base))
    second.exchange("The other phone is told of the absence.", cursors=known)
    elsewhere = {f"grid/{grid_id(GRIDS[2])}": [3, 3]}
    second.exchange("A stream that is out of scope is lost, one not named is gained.", cursors=elsewhere)
    second.exchange("A cursor beyond the head.", cursors=known | {STREAM: [99, 99]})
    second.exchange("A page of few bytes.", cursors={}, max_bytes=1000)


def changed_grids(talk: Talk) -> None:
    """What was written before grids were merged, and what no source places."""
    phone = Phone(talk)
    known = cursors(phone.push("A dwelling in the first grid.", created(1, "0102")))
    talk.merge_grids()
    nowhere = {key: value for key, value in capture().items() if key != "position"}
    late = created(2, "0102", location=far()) | {"capture": nowhere}
    told = phone.push("Another, written before: its code means the grid that the first became.", late, cursors=known)
    talk.say("The phone asks for its grids.", "GET", "/v1/registry?since=1", headers=phone.headers)
    untold = {key: value for key, value in created(3, "0102", location=border()).items() if key != "grid"}
    phone.push("One without a code, on a border.", untold | {"capture": nowhere}, cursors=known | cursors(told))


def published_catalogue(talk: Talk) -> None:
    """A new version of the catalogue is published while a phone holds everything."""
    phone = Phone(talk)
    empty = phone.exchange("The first exchange.")
    talk.publish_catalogue()
    by = {"headers": phone.headers}
    talk.say("By the mark of before there is something.", "GET", f"/v1/exchange?mark={empty['mark']}", **by)
    told = phone.exchange("The answer names the new version; the app's own is still taken.", cursors=cursors(empty))
    talk.say("The phone loads it.", "GET", "/v1/catalogue", headers=phone.headers, left_out=True)
    talk.say("It has been told, whether or not it has it yet.", "GET", f"/v1/exchange?mark={told['mark']}", **by)


def far() -> dict[str, Any]:
    return {"lon": 119.5, "lat": 33.5, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}


def border() -> dict[str, Any]:
    return far() | {"lon": 117.92, "lat": 32.705}


def evidence(talk: Talk) -> None:
    """From an item with a photo to an address to read it."""
    phone = Phone(talk)
    one = photo(1)
    phone.push("A report that names a photo.", created(1, "0401", photos=[one]) | {"urgency": "normal"})
    ref = {"sha256": one["sha256"], "size": one["size"]}
    too_large = {"sha256": "ab" * 32, "size": 40_000_000}
    declared = phone.post("Where are the bytes to go?", "/v1/evidence", {"photos": [ref, too_large]})
    upload = declared["photos"][0]["upload"]
    told = {"uploads": [upload["id"], "00000000-0000-4000-9000-000000000000"]}
    phone.post("Said too early.", "/v1/evidence/uploaded", told)
    talk.say("The bytes.", "PUT", upload["url"], body=picture(1), headers={})
    phone.post("They were sent.", "/v1/evidence/uploaded", told)
    path = f"/v1/evidence/{one['sha256']}-{one['size']}"
    talk.say("Not yet checked.", "GET", path, headers=phone.headers)
    talk.check_photos()
    talk.say("Where it can be read.", "GET", path, headers=phone.headers)
    talk.say("And a small picture.", "GET", f"{path}?thumbnail=true", headers=phone.headers)
    phone.post("Asked again, nothing is missing.", "/v1/evidence", {"photos": [ref]})
    phone.exchange("The item shows the photo as verified.")


def resumed_upload(talk: Talk) -> None:
    """A photo in appends by tus 1.0.0: what is refused, what is resumed, and that it is verified at the end."""
    phone, one, data = Phone(talk), photo(1), picture(1)
    phone.push("A report that names a photo.", created(1, "0401", photos=[one]) | {"urgency": "normal"})
    tus = phone.headers | {"Tus-Resumable": "1.0.0"}
    append = tus | {"Content-Type": "application/offset+octet-stream"}
    talk.say("What can the server do?", "OPTIONS", "/v1/uploads", headers={})
    named = {
        "Upload-Length": str(one["size"]),
        "Upload-Metadata": f"sha256 {b64encode(one['sha256'].encode()).decode()}",
    }
    talk.say("An upload for the photo.", "POST", "/v1/uploads", headers=tus | named)
    path = talk.bindings.values[talk.steps[-1]["response"]["headers"]["location"]]
    talk.say("The first bytes.", "PATCH", path, body=data[:40], headers=append | {"Upload-Offset": "0"})
    talk.say(
        "Their answer was lost: the same again.", "PATCH", path, body=data[:40], headers=append | {"Upload-Offset": "0"}
    )
    talk.say("How far has it come?", "HEAD", path, headers=tus)
    summed = {"Upload-Offset": "40", "Upload-Checksum": f"sha256 {b64encode(sha256(data[40:60]).digest()).decode()}"}
    talk.say("Damaged on the way.", "PATCH", path, body=data[41:61], headers=append | summed)
    talk.say("The same as it should be.", "PATCH", path, body=data[40:60], headers=append | summed)
    talk.say("The phone starts anew and asks for an upload.", "POST", "/v1/uploads", headers=tus | named)
    through = {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "60"}
    talk.say("The rest, where only POST gets through.", "POST", path, body=data[60:], headers=append | through)
    talk.say("All of it came.", "HEAD", path, headers=tus)
    talk.check_photos()
    talk.say("Created again, there is nothing to send.", "POST", "/v1/uploads", headers=tus | named)
    talk.say("Evidence is not taken back.", "DELETE", path, headers=tus)
    talk.say("Another version of the protocol.", "HEAD", path, headers=phone.headers | {"Tus-Resumable": "0.2.2"})
    talk.say("Nobody's upload.", "GET", "/v1/uploads/00000000-0000-4000-9000-000000000000", headers=tus)
    other = named | {"Upload-Metadata": f"sha256 {b64encode(b'cd' * 32).decode()}"}
    talk.say("An upload of another photo.", "POST", "/v1/uploads", headers=tus | other)
    given_up = talk.bindings.values[talk.steps[-1]["response"]["headers"]["location"]]
    talk.say("It is given up.", "DELETE", given_up, headers=tus)
    talk.say("It has ended.", "GET", given_up, headers=tus)
    phone.exchange("The item shows the photo as verified.")


def review_and_case(talk: Talk) -> None:
    """A report is returned, corrected, approved, filed and dispatched; a late action is refused."""
    phone = Phone(talk)
    photos = [photo(1)]
    phone.push("A report.", created(1, "0401", photos=photos) | {"urgency": "normal"})
    upload = phone.post("Its photo.", "/v1/evidence", {"photos": [{k: photos[0][k] for k in ("sha256", "size")}]})
    talk.say("The bytes.", "PUT", upload["photos"][0]["upload"]["url"], body=picture(1), headers={})
    phone.post("They were sent.", "/v1/evidence/uploaded", {"uploads": [upload["photos"][0]["upload"]["id"]]})
    talk.check_photos()
    chief = signed_in(talk, CHIEF) | {"Content-Type": "application/json"}
    returned = {"decision": "return", "reason": "facts_unclear", "notes": {"description": "请写明几楼"}}
    _decide(talk, chief, "The chief returns it with a note on a field.", returned)
    pulled = phone.exchange("The phone is given the to-do.")
    (entry,) = [entry for page in pulled["streams"] for entry in page["entries"] if entry["kind"] == "item"]
    phone.push("The worker corrects it.", edited(1, "0401", [1, entry["rev"]], description="三楼楼道堆放杂物"))
    _decide(talk, chief, "The chief approves the correction.", {"decision": "approve"})
    desk = signed_in(talk, DISPATCHER) | {"Content-Type": "application/json"}
    for action in ({"action": "accept", "from": "reported"}, {"action": "dispatch", "from": "accepted"}):
        body = action | ({"department": "xiaofang"} if action["action"] == "dispatch" else {})
        talk.say(f"The desk: {action['action']}.", "POST", f"/v1/cases/{item(1)}", json=body, headers=desk)
    talk.say("Too late.", "POST", f"/v1/cases/{item(1)}", json={"action": "accept", "from": "reported"}, headers=desk)
    talk.say("The queue.", "GET", "/v1/cases?case=dispatched", headers=desk)
    talk.say("The item with its history, masked.", "GET", f"/v1/items/{item(1)}", headers=chief)
    why = {"reason": "核对楼层"}
    talk.say("The same with every value.", "POST", f"/v1/items/{item(1)}/reveal", json=why, headers=chief)
    phone.exchange("The phone sees the state.")


def _decide(talk: Talk, headers: dict[str, str], what: str, decision: dict[str, Any]) -> None:
    queue = talk.say("The queue.", "GET", "/v1/reviews?type=0401", headers=headers)
    (waiting,) = queue["reviews"]
    named = {"item": waiting["item"]["id"], "version": waiting["item"]["version"], "rev": waiting["rev"]}
    talk.say(what, "POST", "/v1/reviews", json={"decisions": [named | decision]}, headers=headers)


def refusals(talk: Talk) -> None:
    """Problem documents."""
    phone = Phone(talk)
    desk = signed_in(talk, DISPATCHER)
    talk.say("No token.", "GET", "/v1/registry", headers={})
    talk.say("A token nobody has.", "GET", "/v1/registry", headers={"Authorization": "Bearer nobody-has-this-token"})
    talk.say("In English.", "GET", "/v1/nothing", headers={"Accept-Language": "en"})
    talk.say("Another method.", "DELETE", "/v1/registry", headers=phone.headers)
    talk.say("Not a device.", "GET", "/v1/exchange?mark=x", headers=desk)
    talk.say("A parameter is missing.", "GET", "/v1/exchange", headers=phone.headers)
    talk.say(
        "Not for this role.", "POST", "/v1/enrol/codes", json={}, headers=desk | {"Content-Type": "application/json"}
    )
    kind = phone.headers | {"Content-Type": "text/plain"}
    talk.say("Another content type.", "POST", "/v1/exchange", lines=[compact(phone.header())], headers=kind)
    phone.exchange("Another device.", device=item(99))
    phone.exchange("A clock without offset.", clock=CLOCK | {"wall": "2026-01-05T10:00:00"})
    talk.say("Not an item of the caller's.", "GET", f"/v1/items/{item(99)}", headers=desk)


CONVERSATIONS: list[Callable[[Talk], None]] = [
    enrolment,
    restored_phone,
    catalogue_and_registry,
    first_exchanges,
    bad_sets,
    messagepack,
    conflict,
    coming_and_going,
    changed_grids,
    published_catalogue,
    evidence,
    resumed_upload,
    review_and_case,
    refusals,
    released_notice,
    one_set,
]
