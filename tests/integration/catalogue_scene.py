"""Next versions of the catalogue, made of the packaged document, and their publishing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from schemas.catalogue import document
from server.services import Services
from server.usecases.publishing_catalogue import Publication, publish_catalogue
from tests.builders import CITY, Person, add_people, build_city, caller

Document = dict[str, Any]
PUBLISHER = Person("administrator", "13900000061", division=CITY)


async def build(services: Services) -> None:
    """The mini city, and somebody who may publish."""
    await build_city(services)
    await services.database.write(lambda tx: add_people(tx, services, [PUBLISHER]))


def edition(version: str) -> Document:
    """The packaged catalogue under another version."""
    return json.loads(document()) | {"catalogue_version": version}


def types_of(raw: Document) -> Iterator[Document]:
    """All item types of a document."""
    for category in raw["categories"]:
        yield from category["items"]


def type_of(raw: Document, code: str) -> Document:
    """One item type of a document."""
    (found,) = (one for one in types_of(raw) if one["code"] == code)
    return found


def field_of(raw: Document, code: str, key: str) -> Document:
    """One field of a document."""
    (found,) = (one for one in type_of(raw, code)["fields"] if one["key"] == key)
    return found


def without_field(raw: Document, code: str, key: str) -> Document:
    """The document with a field less."""
    item = type_of(raw, code)
    item["fields"] = [one for one in item["fields"] if one["key"] != key]
    return raw


def written(raw: Document) -> bytes:
    """As it stands in a file."""
    return json.dumps(raw, ensure_ascii=False, indent=1).encode()


async def publish(services: Services, raw: Document) -> Publication:
    """Publish it as who may; it must be accepted. This process knows of it at once, as all do before long."""
    told = await publish_catalogue(services, await caller(services, PUBLISHER), written(raw), "年度目录")
    assert told.published, told.faults
    await services.at_present(at_once=True)
    return told
