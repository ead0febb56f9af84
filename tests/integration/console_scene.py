"""A person at the console without a browser: keeps cookies, reads pages, fills in their forms."""

from __future__ import annotations

import secrets
from datetime import timedelta
from functools import cache
from html.parser import HTMLParser
from typing import NamedTuple
from uuid import uuid4

import httpx

from server.db import sessions
from server.passwords import hash_password
from server.sealing import token_hash
from server.services import Services
from tests.builders import Person

PASSWORD = "Correct-Horse-9"


class Form(NamedTuple):
    """A form as a page holds it: where it goes, and what its fields and buttons would send."""

    method: str
    action: str
    fields: list[tuple[str, str]]
    buttons: list[tuple[str, str]]

    def first(self, name: str) -> str:
        return next(value for key, value in self.fields if key == name)


class Page(HTMLParser):
    """What is asserted about a page: its forms, its text, its links."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.tags.append(tag)
        if tag == "form":
            self.forms.append(Form(given.get("method", "get"), given["action"], [], []))
        elif tag in ("input", "select", "textarea") and "name" in given and self.forms:
            self.forms[-1].fields.append((given["name"], given.get("value", "")))
        elif tag == "button" and "name" in given:
            self.forms[-1].buttons.append((given["name"], given["value"]))
        elif tag == "a":
            self.links.append(given["href"])
        elif tag == "img":
            self.sources.append(given["src"])

    def handle_data(self, data: str) -> None:
        self.text += " ".join(data.split()) + " "

    def form(self, action: str, button: str | None = None) -> Form:
        """The form that goes to an address, with a button of this value if one is named."""
        return next(
            form
            for form in self.forms
            if form.action == action and (button is None or button in [value for _, value in form.buttons])
        )

    def case_form(self, action: str) -> Form:
        """The form of an action on a case."""
        return next(form for form in self.forms if ("action", action) in form.fields)


class AtConsole:
    """A browser's part: one person's cookies and pages."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, status: int = 200) -> Page:
        answer = await self.client.get(path, follow_redirects=True)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:500])
        return Page(answer)

    async def send(self, form: Form, status: int = 200, **given: str | list[str]) -> Page:
        """Fill in a form and send it; hidden fields go as they are."""
        kept = [(key, value) for key, value in form.fields if key not in given]
        more = [(k, v) for k, values in given.items() for v in ([values] if isinstance(values, str) else values)]
        fields: dict[str, list[str]] = {}
        for key, value in [*kept, *more]:
            fields.setdefault(key, []).append(value)
        answer = await self.client.post(form.action, data=fields, follow_redirects=True)
        assert answer.status_code == status, (form.action, answer.status_code, answer.text[:500])
        return Page(answer)

    async def sign_in(self, phone: str, password: str = PASSWORD, status: int = 200) -> Page:
        page = await self.get("/console/sign-in")
        return await self.send(page.form("/console/sign-in"), status, phone=phone, password=password)


async def give_password(services: Services, *persons: Person) -> None:
    """Let people of the mini city sign in."""
    async with services.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE users SET password_hash = $1 WHERE id = ANY($2::uuid[])", _hash(), [one.id for one in persons]
        )


async def at_console(services: Services, client: httpx.AsyncClient, person: Person) -> AtConsole:
    """Somebody who has signed in, without the time a password takes; whoever used this client before is signed out."""
    token = secrets.token_urlsafe(16)
    access = (token_hash(token), timedelta(minutes=30))
    await services.database.write(
        lambda tx: sessions.insert_session(tx.connection, uuid4(), "console", person.id, None, access, None)
    )
    client.cookies.clear()
    client.cookies.set("onegrid_console", token, path="/console")
    return AtConsole(client)


@cache
def _hash() -> str:
    return hash_password(PASSWORD)
