"""The people of somebody's area: finding them, their posts and devices, and their telephone numbers for a reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath

from server.console.device_lines import InUse, in_use
from server.console.filters import Choice
from server.console.posts import PostLine, post_lines
from server.console.visit import Visit
from server.db.directory import PeopleFilter
from server.errors import Problem
from server.usecases.directory import PersonCard, list_directory, person_card, revealed_card
from server.usecases.sight import roles_in_sight
from sync.access import division_prefix

PAGE_LENGTH = 25
_CODE = re.compile(r"[0-9]{4,15}")
_LONGEST_NAME = 50


class Wanted(NamedTuple):
    """What the list is narrowed to, as its address says it."""

    find: str
    role: str
    cursor: str | None
    roles: list[Choice]

    @property
    def narrowed(self) -> bool:
        """Whether anybody is left out."""
        return bool(self.find or self.role)

    @property
    def people(self) -> PeopleFilter:
        """As the use cases take it: digits are a code, anything else begins a name."""
        role = self.role or None
        if _CODE.fullmatch(self.find):
            place = division_prefix(self.find) if len(self.find) == 12 else self.find
            return PeopleFilter(role=role, place=place)
        return PeopleFilter(role=role, name=self.find or None)

    def address(self, **more: str | None) -> str:
        """The list with this filter, and more parameters."""
        query = {"find": self.find, "role": self.role, **more}
        written = urlencode({key: value for key, value in query.items() if value})
        return f"/console/people?{written}" if written else "/console/people"


class Line(NamedTuple):
    """A person in the list."""

    id: UUID
    name: str
    phone: str
    posts: list[PostLine]
    devices: list[InUse]


@get("/people")
async def show(visit: NamedDependency[Visit]) -> Response[str]:
    """The list."""
    wanted = _wanted(visit)
    page = await list_directory(visit.services, visit.caller, wanted.people, wanted.cursor, PAGE_LENGTH)
    return visit.page(
        "people.html",
        lines=[_line(visit, one) for one in page.people],
        filters=wanted,
        next=wanted.address(cursor=page.next) if page.next else None,
    )


@get("/people/{user:str}")
async def person(visit: NamedDependency[Visit], user: FromPath[str]) -> Response[str]:
    """One of them."""
    return _person(visit, await person_card(visit.services, visit.caller, _id(user)))


@post("/people/{user:str}", status_code=200)
async def reveal(
    visit: NamedDependency[Visit], form: NamedDependency[FormMultiDict], user: FromPath[str]
) -> Response[Any]:
    """The page with the whole telephone number, this once; without a usable reason it says so and shows nothing."""
    user_id = _id(user)
    try:
        card = await revealed_card(visit.services, visit.caller, user_id, str(form.get("reason", "")))
    except Problem as problem:
        if problem.field != "reason":
            raise
        return _person(visit, await person_card(visit.services, visit.caller, user_id), problem=problem)
    return _person(visit, card, revealed=True)


def _wanted(visit: Visit) -> Wanted:
    asked = visit.request.query_params
    names = {role.code: visit.either(role.zh, role.en) for role in visit.services.catalogue.source.roles}
    roles = [Choice(code, names[code]) for code in roles_in_sight(visit.services, visit.caller)]
    role, find = asked.get("role", ""), asked.get("find", "").strip()
    return Wanted(
        find=find if find.isprintable() and len(find) <= _LONGEST_NAME else "",
        role=role if role in names else "",
        cursor=asked.get("cursor"),
        roles=roles,
    )


def _line(visit: Visit, card: PersonCard) -> Line:
    now = datetime.now(UTC)
    devices = [in_use(visit, one, now) for one in card.devices]
    return Line(card.id, card.name, card.phone, post_lines(visit, card.posts), devices)


def _person(visit: Visit, card: PersonCard, *, revealed: bool = False, problem: Problem | None = None) -> Response[str]:
    return visit.page(
        "person.html",
        status=problem.status if problem else 200,
        person=_line(visit, card),
        revealed=revealed,
        problem=visit.either(problem.zh, problem.en) if problem else "",
    )


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem("not_found") from None
