"""How the routes of the API are asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.matrix import truth
from tests.matrix.bindings import EVENTS, READABLE, Binding, Call
from tests.matrix.city import Actor
from tests.matrix.scene import WORD, Planted, Scene

PUBLIC = (
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /errors/{code}",
    "GET /schema",
    "GET /schema/openapi.json",
    "GET /v1/exchange/dictionary",
    "POST /v1/enrol",
    "POST /v1/enrol/fork",
    "POST /v1/token",
)
"""Open to everybody: they answer alike whoever asks, or ask for a secret of their own."""

_REASON = "核对权限"
_ITEM_STATE = "SELECT (i.version, r.*, c.*)::text FROM item i LEFT JOIN review r ON r.item_id = i.id "
ITEM_STATE = _ITEM_STATE + "LEFT JOIN cases c ON c.item_id = i.id WHERE i.id = $1::uuid"
REVEALS = "SELECT count(*)::text FROM audit WHERE action = 'item.reveal' AND subject_id = $1"
UPLOAD_STATE = "SELECT state FROM upload WHERE id = $1::uuid"
CODES = "SELECT count(*)::text FROM enrolment_code WHERE user_id = $1::uuid"


def get(path: str, **query: str) -> Any:
    """A request for an address in which things of the target stand in braces."""

    def ask(actor: Actor, thing: Planted) -> Call:
        return Call("GET", path.format(id=thing.id, **thing.more), actor.desk, query=query)

    return ask


def post(path: str, body: Any) -> Any:
    """A request with a JSON body made of the target."""

    def ask(actor: Actor, thing: Planted) -> Call:
        return Call("POST", path.format(id=thing.id), actor.desk, json=body(thing))

    return ask


def _ref(thing: Planted) -> dict[str, Any]:
    return {"item": thing.id, "version": thing.revision[0], "rev": thing.revision[1]}


def _photo_ref(thing: Planted) -> dict[str, Any]:
    sha256, size = thing.more["photo"].split("-")
    return {"sha256": sha256, "size": int(size)}


def _exchange(actor: Actor, thing: Planted) -> Call:
    now = datetime.now(UTC).isoformat()
    header = {"device": str(actor.device), "clock": {"wall": now, "mono": 1, "boot": "boot"}}
    return Call("POST", "/v1/exchange", actor.phone, json=header | {"catalogue": "2024.2", "registry": 1})


def _anything_new(actor: Actor, thing: Planted) -> Call:
    return Call("GET", "/v1/exchange", actor.phone, query={"mark": "none"})


def resumable(method: str, path: str, **headers: str) -> Any:
    """A request to an upload, without bytes."""

    def ask(actor: Actor, thing: Planted) -> Call:
        return Call(method, path.format(id=thing.id), actor.desk | {"Tus-Resumable": "1.0.0"} | headers)

    return ask


async def new_report(scene: Scene, place: str) -> Planted:
    return await scene.report(place)


async def new_approval(scene: Scene, place: str) -> Planted:
    return await scene.approved()


async def new_upload(scene: Scene, place: str) -> Planted:
    return await scene.upload(place)


async def same_person(scene: Scene, place: str) -> Planted:
    return next(one for one in scene.things if (one.kind, one.place) == ("person", place))


ITEMS = (
    Binding("GET /v1/items", "items", get("/v1/items", limit="200"), READABLE, at_once=True, content=False),
    Binding(
        "GET /v1/items/search",
        "items",
        get("/v1/items/search", q=WORD, limit="200"),
        ("report", "approved", "own", "held"),
        at_once=True,
    ),
    Binding(
        "POST /v1/items/search",
        "items",
        post("/v1/items/search", lambda thing: {"name": thing.more["name"]}),
        ("resident",),
        content=False,
    ),
    Binding("GET /v1/items/{item_id}", "items", get("/v1/items/{id}"), READABLE),
    Binding(
        "POST /v1/items/{item_id}/reveal",
        "items",
        post("/v1/items/{id}/reveal", lambda _: {"reason": _REASON}),
        READABLE,
        unmasks=True,
        effect=REVEALS,
    ),
)
REVIEWS = (
    Binding(
        "GET /v1/reviews",
        "reviews",
        get("/v1/reviews", limit="200"),
        ("report", "own", "petition", "asked"),
        truth.reviews,
        at_once=True,
        unmasks=True,
    ),
    Binding(
        "POST /v1/reviews",
        "reviews",
        post("/v1/reviews", lambda thing: {"decisions": [_ref(thing) | {"decision": "approve"}]}),
        ("report",),
        truth.reviews,
        content=False,
        effect=ITEM_STATE,
        fresh=new_report,
    ),
    Binding(
        "POST /v1/reviews/undo",
        "reviews",
        post("/v1/reviews/undo", lambda thing: {"items": [_ref(thing)], "reason": _REASON}),
        ("approved",),
        truth.approves_others,
        content=False,
        effect=ITEM_STATE,
        fresh=new_approval,
    ),
)
CASES = (
    Binding(
        "GET /v1/cases",
        "cases",
        get("/v1/cases", limit="200"),
        EVENTS,
        truth.sees_case,
        at_once=True,
        content=False,
    ),
    Binding("GET /v1/cases/{item_id}", "cases", get("/v1/cases/{id}"), EVENTS, truth.sees_case, content=False),
    Binding(
        "POST /v1/cases/{item_id}",
        "cases",
        post("/v1/cases/{id}", lambda _: {"action": "accept", "from": "reported"}),
        ("report",),
        truth.runs_the_desk,
        content=False,
        deed="accept",
        effect=ITEM_STATE,
        fresh=new_report,
    ),
    Binding("GET /v1/organisations", "cases", get("/v1/organisations"), ("office",), at_once=True, content=False),
)
PHOTOS = (
    Binding(
        "GET /v1/evidence/{photo}",
        "photos",
        get("/v1/evidence/{photo}"),
        ("report", "approved", "own", "held"),
        content=False,
    ),
    Binding("POST /v1/evidence", "photos", post("/v1/evidence", lambda _: {"photos": []})),
    Binding(
        "POST /v1/evidence/uploaded",
        "photos",
        post("/v1/evidence/uploaded", lambda thing: {"uploads": [thing.id]}),
        ("upload",),
        content=False,
    ),
    Binding("POST /v1/uploads", "photos", resumable("POST", "/v1/uploads", **{"Upload-Length": "1"})),
    Binding("GET /v1/uploads/{upload_id}", "photos", resumable("GET", "/v1/uploads/{id}"), ("upload",), silent=True),
    Binding(
        "PATCH /v1/uploads/{upload_id}",
        "photos",
        resumable(
            "PATCH", "/v1/uploads/{id}", **{"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        ),
        ("upload",),
        silent=True,
    ),
    Binding(
        "DELETE /v1/uploads/{upload_id}",
        "photos",
        resumable("DELETE", "/v1/uploads/{id}"),
        ("upload",),
        silent=True,
        effect=UPLOAD_STATE,
        fresh=new_upload,
    ),
)
PHONES = (
    Binding(
        "POST /v1/exchange",
        "phones",
        _exchange,
        (*READABLE, "conflict"),
        truth.syncs,
        at_once=True,
        unmasks=True,
    ),
    Binding("GET /v1/exchange", "phones", _anything_new),
    Binding("GET /v1/events", "phones", get("/v1/events", wait="0")),
    Binding(
        "POST /v1/enrol/codes",
        "people",
        post("/v1/enrol/codes", lambda thing: {"user": thing.id}),
        ("person",),
        truth.enrols,
        content=False,
        effect=CODES,
        fresh=same_person,
    ),
    Binding("GET /v1/catalogue", "phones", get("/v1/catalogue")),
    Binding("GET /v1/registry", "registry", get("/v1/registry"), ("grid",), at_once=True),
)
BINDINGS = (*ITEMS, *REVIEWS, *CASES, *PHOTOS, *PHONES)
