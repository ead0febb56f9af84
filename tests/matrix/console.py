"""How the pages of the console are asked, and its forms sent."""

from __future__ import annotations

from typing import Any

from tests.matrix import truth
from tests.matrix.api import ITEM_STATE, REVEALS, new_approval, new_report
from tests.matrix.bindings import EVENTS, READABLE, Binding, Call
from tests.matrix.city import Actor
from tests.matrix.scene import WORD, Planted, Scene

PUBLIC = (
    "GET /console/sign-in",
    "POST /console/sign-in",
    "GET /console/static/{name}",
)
_REASON = "核对权限"
_REPORTS = ("report", "approved", "own", "held")
_DEVICE = "SELECT (revoked_at IS NULL)::text FROM device WHERE id = $1::uuid"
_LOOKED_UP = "SELECT count(*)::text FROM audit WHERE action = 'user.revealed' AND subject_id = $1"

_REVEALED = "SELECT count(*)::text FROM audit WHERE action = 'conflict.reveal' AND subject_id = $1"
_SETTLED = "SELECT state || version FROM conflict WHERE id = $1::uuid"


def page(path: str, **query: str) -> Any:
    """A page whose address holds things of the target in braces."""

    def ask(actor: Actor, thing: Planted) -> Call:
        filled = {key: value.format(id=thing.id, **thing.more) for key, value in query.items()}
        return Call("GET", path.format(id=thing.id, **thing.more), actor.console, query=filled)

    return ask


def form(path: str, **fields: str) -> Any:
    """A form of a page, sent from there."""

    def ask(actor: Actor, thing: Planted) -> Call:
        known = {"id": thing.id, "version": thing.revision[0], "rev": thing.revision[1], **thing.more}
        filled = {key: value.format(**known) for key, value in fields.items()}
        return Call("POST", path.format(**known), actor.console, form={"csrf": actor.csrf, **filled})

    return ask


async def _device(scene: Scene, place: str) -> Planted:
    return (await scene.device(place))._replace(kind="device")


async def _conflict(scene: Scene, _: str) -> Planted:
    return await scene.conflict()


_REVISION = "{id} {version} {rev}"
ITEMS = (
    Binding("GET /console/items/{item}", "items", page("/console/items/{id}"), READABLE, truth.sees_case, tells=True),
    Binding(
        "POST /console/items/{item}",
        "items",
        form("/console/items/{id}", do="reveal", reason=_REASON),
        READABLE,
        deed="reveal",
        unmasks=True,
        effect=REVEALS,
    ),
    Binding(
        "POST /console/items/{item}",
        "reviews",
        form("/console/items/{id}", do="approve", revision=_REVISION),
        ("report",),
        truth.reviews,
        deed="approve",
        silent=True,
        effect=ITEM_STATE,
        fresh=new_report,
    ),
    Binding(
        "POST /console/items/{item}",
        "cases",
        form("/console/items/{id}", do="case", action="accept", **{"from": "reported"}),
        ("report",),
        truth.runs_the_desk,
        deed="accept",
        silent=True,
        effect=ITEM_STATE,
        fresh=new_report,
    ),
    Binding(
        "GET /console/items/{item}/photos/{name}",
        "photos",
        page("/console/items/{id}/photos/{photo}"),
        _REPORTS,
        content=False,
    ),
    Binding("GET /console/search", "items", page("/console/search")),
    Binding("POST /console/search", "items", form("/console/search", by="text", value=WORD), _REPORTS, at_once=True),
    Binding(
        "POST /console/search",
        "items",
        form("/console/search", by="name", value="{name}"),
        ("resident",),
        deed="name",
        content=False,
    ),
    Binding("GET /console/export", "items", page("/console/export")),
    Binding(
        "POST /console/export",
        "items",
        form("/console/export", type="0402", format="csv", reason=_REASON, unapproved="1"),
        _REPORTS,
        at_once=True,
    ),
    Binding(
        "POST /console/export",
        "items",
        form("/console/export", type="0402", format="csv", reason=_REASON, unapproved="1", reveal="1"),
        _REPORTS,
        at_once=True,
        unmasks=True,
        deed="reveal",
    ),
)
QUEUES = (
    Binding(
        "GET /console/reviews",
        "reviews",
        page("/console/reviews"),
        ("report", "own", "petition", "asked"),
        truth.reviews,
        at_once=True,
        content=False,
    ),
    Binding(
        "POST /console/reviews",
        "reviews",
        form("/console/reviews", do="approve", revision=_REVISION),
        ("report",),
        truth.reviews,
        content=False,
        deed="approve",
        effect=ITEM_STATE,
        fresh=new_report,
    ),
    Binding(
        "POST /console/reviews",
        "reviews",
        form("/console/reviews", do="undo", revision=_REVISION, reason=_REASON),
        ("approved",),
        truth.approves_others,
        content=False,
        deed="undo",
        effect=ITEM_STATE,
        fresh=new_approval,
    ),
    Binding(
        "POST /console/reviews/undo",
        "reviews",
        form("/console/reviews/undo", revision=_REVISION, reason=_REASON),
        ("approved",),
        truth.approves_others,
        silent=True,
        effect=ITEM_STATE,
        fresh=new_approval,
    ),
    Binding(
        "GET /console/cases",
        "cases",
        page("/console/cases", state="all"),
        EVENTS,
        truth.sees_case,
        at_once=True,
        content=False,
    ),
)
CONFLICTS = (
    Binding(
        "GET /console/conflicts",
        "conflicts",
        page("/console/conflicts"),
        ("conflict",),
        truth.settles,
        at_once=True,
        content=False,
    ),
    Binding(
        "GET /console/conflicts/{conflict}",
        "conflicts",
        page("/console/conflicts/{id}"),
        ("conflict",),
        truth.settles,
        content=False,
    ),
    Binding(
        "POST /console/conflicts/{conflict}",
        "conflicts",
        form("/console/conflicts/{id}", do="reveal", reason=_REASON),
        ("conflict",),
        truth.settles,
        unmasks=True,
        deed="reveal",
        effect=_REVEALED,
    ),
    Binding(
        "POST /console/conflicts/{conflict}",
        "conflicts",
        form("/console/conflicts/{id}", do="server", reason=_REASON),
        ("conflict",),
        truth.settles,
        silent=True,
        deed="settle",
        effect=_SETTLED,
        fresh=_conflict,
    ),
)
PEOPLE = (
    Binding(
        "GET /console/people",
        "people",
        page("/console/people", find="{name}"),
        ("person",),
        truth.looks_after,
        content=False,
    ),
    Binding(
        "GET /console/people/{user}",
        "people",
        page("/console/people/{id}"),
        ("person",),
        truth.looks_after,
        content=False,
    ),
    Binding(
        "POST /console/people/{user}",
        "people",
        form("/console/people/{id}", reason=_REASON),
        ("person",),
        truth.looks_after,
        unmasks=True,
        deed="reveal",
        effect=_LOOKED_UP,
    ),
    Binding(
        "GET /console/devices",
        "people",
        page("/console/devices"),
        ("person",),
        truth.looks_after,
        at_once=True,
        content=False,
    ),
    Binding(
        "GET /console/devices/{device_id}",
        "people",
        page("/console/devices/{device}"),
        ("person",),
        truth.looks_after,
        content=False,
    ),
    Binding(
        "GET /console/devices/{device_id}/{deed}",
        "people",
        page("/console/devices/{device}/revoke"),
        ("person",),
        truth.looks_after,
        content=False,
        deed="revoke",
    ),
    Binding(
        "GET /console/devices/{device_id}/{deed}",
        "people",
        page("/console/devices/{device}/replace"),
        ("person",),
        truth.enrols,
        content=False,
        deed="replace",
    ),
    Binding(
        "POST /console/devices/{device_id}/{deed}",
        "people",
        form("/console/devices/{id}/revoke", reason=_REASON),
        ("device",),
        truth.looks_after,
        silent=True,
        deed="revoke",
        effect=_DEVICE,
        fresh=_device,
    ),
    Binding(
        "POST /console/devices/{device_id}/{deed}",
        "people",
        form("/console/devices/{id}/replace", reason=_REASON),
        ("device",),
        truth.enrols,
        silent=True,
        deed="replace",
        effect=_DEVICE,
        fresh=_device,
    ),
)
REGISTRY = (
    Binding(
        "GET /console/registry",
        "registry",
        page("/console/registry", division="{community}"),
        ("grid",),
        truth.browses,
    ),
    Binding(
        "GET /console/registry/map",
        "registry",
        page("/console/registry/map", division="{community}"),
        ("grid",),
        truth.browses,
    ),
    Binding(
        "GET /console/registry/grids/{code}",
        "registry",
        page("/console/registry/grids/{code}"),
        ("grid",),
        truth.browses,
    ),
)
ACCOUNT = (
    Binding("GET /console", "account", page("/console/")),
    Binding("GET /console/{path}", "account", page("/console/nothing-here")),
    # Without the secret of his own page nobody is signed out.
    Binding(
        "POST /console/sign-out",
        "account",
        lambda actor, _: Call("POST", "/console/sign-out", actor.console, form={}),
    ),
)
BINDINGS = (*ITEMS, *QUEUES, *CONFLICTS, *PEOPLE, *REGISTRY, *ACCOUNT)
