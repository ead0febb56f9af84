"""What is asserted about the pages of the registry: figures and shapes as a plain look into the database has them."""

from __future__ import annotations

import re
from typing import NamedTuple

import asyncpg

from server.db.people import NewAssignment, NewUser, insert_assignments, insert_users
from server.services import Services
from tests.builders import Person
from tests.integration.console_scene import Page

Corner = tuple[float, float]


class Drawn(NamedTuple):
    """A shape of a map: its link, its title, its classes and corners."""

    address: str
    title: str
    look: list[str]
    corners: list[Corner]


_SHAPE = re.compile(r'<(?:a href="([^"]*)"|g)>\s*<title>([^<]*)</title><path class="([^"]*)"[^>]*? d="([^"]*)"/>')
_NUMBER = re.compile(r"-?[0-9.]+")


def shapes_on(page: Page) -> list[Drawn]:
    """Everything that a map shows, in the order of painting."""
    found = _SHAPE.findall(page.answer.text)
    return [Drawn(address, title, look.split(), _corners(path)) for address, title, look, path in found]


def paper_of(page: Page) -> Corner:
    """Width and height of the map."""
    (width, height) = re.findall(r'<svg class="map" viewBox="0 0 (\d+) (\d+)"', page.answer.text)[0]
    return float(width), float(height)


def grids_on(page: Page) -> set[str]:
    """The codes of the grids that a page leads to."""
    links = (link.removeprefix("/console/registry/grids/") for link in page.links)
    return {link for link in links if re.fullmatch("[0-9]{15}", link)}


async def hire(services: Services, person: Person, name: str = "新人") -> None:
    """Somebody for a division or department who is not in the mini city."""
    keyring = services.keyring
    user = NewUser(
        id=person.id,
        name=name,
        phone_index=keyring.index("phone", person.phone),
        phone_sealed=keyring.seal_for("phone", person.phone),
    )
    post = NewAssignment(user_id=person.id, role=person.role, division=person.division, department=person.department)
    await services.database.write(lambda tx: insert_users(tx.connection, [user]))
    await services.database.write(lambda tx: insert_assignments(tx.connection, [post]))


async def relabel(truth: asyncpg.Connection, old: str, new: str, name: str) -> None:
    """Give the grid with the code `old` another one in registry version 2."""
    await truth.execute("INSERT INTO registry_version (version, note) VALUES (2, '重新编码')")
    await truth.execute(
        "INSERT INTO grid_code (code, grid_id) SELECT $2, grid_id FROM grid_code WHERE code = $1", old, new
    )
    await truth.execute("UPDATE grid_label SET to_version = 2 WHERE code = $1", old)
    await truth.execute(
        "INSERT INTO grid_label (grid_id, from_version, code, community, kind, name, outline, synthetic) "
        "SELECT grid_id, 2, $2, community, kind, $3, outline, synthetic FROM grid_label WHERE code = $1",
        old,
        new,
        name,
    )


def _corners(path: str) -> list[Corner]:
    corners: list[Corner] = []
    for start, steps in re.findall(r"M([^l]+)l([^z]+)z", path):
        x, y = map(float, _NUMBER.findall(start))
        corners.append((x, y))
        numbers = list(map(float, _NUMBER.findall(steps)))
        for right, down in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + right, y + down
            corners.append((x, y))
    return corners
