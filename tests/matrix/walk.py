"""Ask every route in every role for every planted thing, and hold each answer against the truth."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus

import asyncpg
import httpx
from litestar import Litestar

from tests.matrix import api, city, console
from tests.matrix.bindings import NO_THING, Binding, Call
from tests.matrix.city import Actor
from tests.matrix.scene import PLACES, Planted, Scene, absent
from tests.matrix.truth import CONTENT, IN_POST, sees, sees_case

BINDINGS: tuple[Binding, ...] = (*api.BINDINGS, *console.BINDINGS)
PUBLIC: tuple[str, ...] = (*api.PUBLIC, *console.PUBLIC)
SHOWN, WITHOUT, OPEN = "●", "○", "–"
_MADE_ANEW = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{24}\b")
"""Ids, and what a request is logged under."""
_TABLES = (
    *("item", "revision", "review", "review_step", "cases", "case_step", "conflict", "evidence_link", "upload"),
    *("enrolment_code", "users", "assignment", "change_set", "quarantine"),
)
_PARTS = (
    *(f"(SELECT string_agg(t::text, '' ORDER BY t::text) FROM {table} t)" for table in _TABLES),
    "(SELECT string_agg(concat(id, revoked_at), '' ORDER BY id) FROM device)",
    "(SELECT count(*) FROM audit WHERE action NOT IN ('item.read', 'evidence.read'))",
)
_EVERYTHING = f"SELECT md5(concat({', '.join(_PARTS)}))"
"""One value for all that a deed could change: what was read is noted, and may be."""


class Answer(NamedTuple):
    """What came back, and everything of it as one text."""

    call: Call
    status: int
    location: str
    body: str
    whole: str

    @property
    def granted(self) -> bool:
        """Whether it is what was asked for: neither a refusal nor the way to the sign-in page."""
        return self.status < 400 and not self.location.startswith("/console/sign-in")


class Report:
    """What was asked and found; `signs` by label of the binding and role."""

    def __init__(self) -> None:
        self.signs: dict[tuple[str, str], str] = {}
        self.failures: list[str] = []
        self.requests = 0
        self.checks = 0

    def check(self, held: bool, words: str) -> bool:
        """Count a check; remember it where it failed."""
        self.checks += 1
        if not held:
            self.failures.append(words)
        return held

    @property
    def summary(self) -> str:
        """The figures in a line."""
        figures = {
            "routes": len({one.route for one in BINDINGS}) + len(PUBLIC),
            "roles": len({role for _, role in self.signs}),
            "cells": len(self.signs),
            "requests": self.requests,
            "checks": self.checks,
        }
        return ", ".join(f"{number} {what}" for what, number in figures.items())


def routes_of(app: Litestar) -> set[str]:
    """Every method and path of the application, as the bindings name them."""
    handlers = ((handler, route.path) for route in app.routes for handler in getattr(route, "route_handlers", []))
    named = {
        f"{method} {re.sub(r':[a-z]+}', '}', path)}"
        for handler, path in handlers
        for method in getattr(handler, "http_methods", ())
    }
    return {one for one in named if not one.startswith(("OPTIONS ", "HEAD "))}


def unbound(app: Litestar) -> tuple[set[str], set[str]]:
    """Routes that no binding asks, and bindings of routes that there are not."""
    known = {one.route for one in BINDINGS} | set(PUBLIC)
    return routes_of(app) - known, known - routes_of(app)


async def walk(app: Litestar, database: asyncpg.Connection) -> Report:
    """Build the scene in an empty database and ask everything; `database` looks at it from outside."""
    services = app.state.services
    await city.build(services)
    scene = Scene(services)
    await scene.plant()
    actors = await city.people_at_work(services)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://onegrid.test") as client:
        walker = _Walker(client, database, scene)
        for binding in sorted(BINDINGS, key=lambda one: bool(one.effect)):
            for actor in actors:
                await walker.visit(binding, actor)
    return walker.report


class _Walker:
    def __init__(self, client: httpx.AsyncClient, database: asyncpg.Connection, scene: Scene) -> None:
        self.client = client
        self.database = database
        self.scene = scene
        self.report = Report()
        self._spare: dict[tuple[str, str], Planted] = {}
        self._of_nothing: dict[tuple[str, str, str], tuple[int, str, str]] = {}

    async def visit(self, binding: Binding, actor: Actor) -> None:
        """All cells of a binding for one role."""
        shown = [one async for one in self._ask(binding, actor)] if binding.effect else await self._read(binding, actor)
        self.report.signs[binding.label, actor.role] = SHOWN if any(shown) else WITHOUT

    # Reading -----------------------------------------------------------------------------------------------

    async def _read(self, binding: Binding, actor: Actor) -> list[bool]:
        if not binding.kinds or binding.at_once:
            answer = await self._send(binding.ask(actor, NO_THING))
            self._scan(binding, actor, answer)
            return [self._listed(binding, actor, answer, one) for one in self._things(binding)]
        targets = self._things(binding)
        if actor.role not in IN_POST:
            targets = targets[:1]
        return [await self._target(binding, actor, one) for one in targets]

    def _things(self, binding: Binding) -> list[Planted]:
        return [one for one in self.scene.things if one.kind in binding.kinds]

    def _listed(self, binding: Binding, actor: Actor, answer: Answer, thing: Planted) -> bool:
        expected = binding.may(actor.role, thing)
        if not expected:
            found = [one for one in (*thing.ids, *thing.clear, *thing.secret, *thing.told) if one in answer.whole]
            return not self.report.check(not found, self._words(binding, actor, thing, "is listed"))
        return self._shown(binding, actor, answer, thing)

    async def _target(self, binding: Binding, actor: Actor, thing: Planted) -> bool:
        answer = await self._send(binding.ask(actor, thing))
        self._scan(binding, actor, answer)
        if binding.may(actor.role, thing):
            return self._shown(binding, actor, answer, thing)
        await self._as_if_absent(binding, actor, answer, thing)
        return False

    def _shown(self, binding: Binding, actor: Actor, answer: Answer, thing: Planted) -> bool:
        wanted = self._expected_texts(binding, actor, thing)
        held = answer.granted and (binding.silent or any(one in answer.whole for one in wanted))
        return self.report.check(held, self._words(binding, actor, thing, f"is not shown ({answer.status})"))

    def _expected_texts(self, binding: Binding, actor: Actor, thing: Planted) -> tuple[str, ...]:
        if binding.unmasks and thing.secret:
            return thing.secret
        return thing.clear if binding.content and thing.clear else thing.ids

    async def _as_if_absent(self, binding: Binding, actor: Actor, answer: Answer, thing: Planted) -> None:
        """Whoever may not know that there is such a thing is told what he would be told if there were none."""
        if sees_case(actor.role, thing):
            return
        key, nothing = (binding.label, actor.role, thing.kind), absent(thing)
        if key not in self._of_nothing:
            self._of_nothing[key] = _neutral(await self._send(binding.ask(actor, nothing)), nothing)
        same = _neutral(answer, thing) == self._of_nothing[key]
        self.report.check(same, self._words(binding, actor, thing, f"is told from nothing ({answer.status})"))

    # Deeds -------------------------------------------------------------------------------------------------

    async def _ask(self, binding: Binding, actor: Actor) -> AsyncIterator[bool]:
        for thing in await self._quarries(binding):
            if binding.may(actor.role, thing):
                yield await self._done(binding, actor, thing)
            elif actor.role in IN_POST or thing.place == "home":
                yield await self._refused(binding, actor, thing)

    async def _quarries(self, binding: Binding) -> list[Planted]:
        """What nobody may do the deed to: planted things, or one made in each place."""
        found = self._things(binding)
        if found or binding.fresh is None:
            return found
        for place in PLACES:
            key = (binding.kinds[0], place)
            if key not in self._spare:
                self._spare[key] = await binding.fresh(self.scene, place)
        return [self._spare[binding.kinds[0], place] for place in PLACES]

    async def _done(self, binding: Binding, actor: Actor, thing: Planted) -> bool:
        target = await binding.fresh(self.scene, thing.place) if binding.fresh else thing
        before = await self.database.fetchval(binding.effect, target.id)
        answer = await self._send(binding.ask(actor, target))
        after = await self.database.fetchval(binding.effect, target.id)
        self._scan(binding, actor, answer)
        self.report.check(before != after, self._words(binding, actor, thing, f"is not changed ({answer.status})"))
        return self._shown(binding, actor, answer, target)

    async def _refused(self, binding: Binding, actor: Actor, thing: Planted) -> bool:
        before = await self.database.fetchval(_EVERYTHING)
        answer = await self._send(binding.ask(actor, thing))
        self._scan(binding, actor, answer)
        await self._as_if_absent(binding, actor, answer, thing)
        untouched = await self.database.fetchval(_EVERYTHING) == before
        return not self.report.check(untouched, self._words(binding, actor, thing, f"is changed ({answer.status})"))

    # Looking at answers ------------------------------------------------------------------------------------

    async def _send(self, call: Call) -> Answer:
        self.client.cookies.clear()
        self.report.requests += 1
        got = await self.client.request(
            call.method, call.path, headers=call.headers, json=call.json, data=call.form, params=call.query
        )
        heads = "\n".join(f"{key}: {value}" for key, value in got.headers.items())
        return Answer(call, got.status_code, got.headers.get("location", ""), got.text, f"{heads}\n{got.text}")

    def _scan(self, binding: Binding, actor: Actor, answer: Answer) -> None:
        """No answer shows what its reader may not see, whatever was asked. What he said himself shows nothing."""
        said = repr(answer.call)
        for thing in self.scene.things:
            if thing.kind not in CONTENT and thing.kind not in binding.kinds:
                continue
            hidden = _hidden(binding, actor.role, thing)
            found = [one for one in hidden if one in answer.whole and one not in said]
            self.report.check(not found, self._words(binding, actor, thing, f"leaks {found} ({answer.status})"))

    def _words(self, binding: Binding, actor: Actor, thing: Planted, what: str) -> str:
        return f"{binding.label}, {actor.role}: {thing.label} {what}"


def _hidden(binding: Binding, role: str, thing: Planted) -> tuple[str, ...]:
    """The texts of a thing that no answer of this route may show to this role."""
    seen = sees(role, thing)
    known = seen or sees_case(role, thing) or (thing.kind in binding.kinds and binding.may(role, thing))
    parts = (
        (known, thing.ids),
        (seen if thing.kind in CONTENT else known, thing.clear),
        (seen and binding.unmasks, thing.secret),
        (seen and (binding.unmasks or binding.tells), thing.told),
    )
    return tuple(one for shown, texts in parts if not shown for one in texts)


def _spellings(text: str) -> tuple[str, ...]:
    """A text as it stands in pages, in addresses, and in an address that another one holds."""
    return (text, quote(text), quote_plus(text), quote_plus(quote(text)))


def _neutral(answer: Answer, thing: Planted) -> tuple[int, str, str]:
    """An answer without what tells one thing from another in the question."""
    texts = [thing.id, *map(str, thing.more.values()), thing.revision[1]]
    said = sorted({form for one in texts for form in _spellings(one)}, key=len, reverse=True)

    def plain(text: str) -> str:
        for one in said:
            text = text.replace(one, "·")
        return _MADE_ANEW.sub("·", text)

    return answer.status, plain(answer.location), plain(answer.body)
