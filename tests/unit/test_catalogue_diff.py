"""What a version of the catalogue changed, and what apps of the older one notice of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from schemas.catalogue import document
from schemas.forms import packaged
from sync.catalogue_diff import Difference, Version, breaking, differences

CURRENT = Version.of(document())


def changed(change: Callable[[dict[str, Any]], object]) -> list[Difference]:
    """What differs once the shop's form was changed."""
    raw = json.loads(document())
    raw["catalogue_version"] = "2025.1"
    change(shop(raw))
    return differences(CURRENT, Version.of(json.dumps(raw).encode()))


def shop(raw: dict[str, Any]) -> dict[str, Any]:
    return next(item for category in raw["categories"] for item in category["items"] if item["code"] == "0103")


def field(item: dict[str, Any], key: str) -> dict[str, Any]:
    return next(one for one in item["fields"] if one["key"] == key)


def only(found: list[Difference]) -> tuple[Any, ...]:
    (one,) = found
    return one.what, one.effect, one.type, one.field, one.attribute


def test_a_version_does_not_differ_from_itself() -> None:
    assert differences(CURRENT, CURRENT) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda item: field(item, "name").update(label_en="Title"), ("changed", "none", "name", "label_en")),
        (lambda item: field(item, "name").update(max_length=2), ("changed", "kept", "name", "max_length")),
        (lambda item: field(item, "name").update(max_length=900), ("changed", "none", "name", "max_length")),
        (lambda item: field(item, "category")["options"].pop(), ("changed", "kept", "category", "options")),
        (
            lambda item: field(item, "credit_code").update(required=True),
            ("changed", "asked", "credit_code", "required"),
        ),
        (lambda item: field(item, "name").update(required=False), ("changed", "none", "name", "required")),
        (lambda item: item["fields"].remove(field(item, "employees")), ("removed", "kept", "employees", None)),
        (lambda item: item["fields"].append(new_field()), ("added", "none", "colour", None)),
        (lambda item: item["fields"].append(new_field(required=True)), ("added", "asked", "colour", None)),
        (lambda item: item.update(require_any=[["name", "credit_code"]]), ("added", "asked", None, "require_any")),
        (lambda item: item["photo"].update(report_min=5), ("changed", "asked", None, "photo")),
        (lambda item: item.update(sample_rate=0.9), ("added", "none", None, "sample_rate")),
    ],
)
def test_each_change_is_named_with_what_it_means(change: Any, expected: tuple[Any, ...]) -> None:
    what, effect, key, attribute = expected
    told = only(changed(change))
    assert told[0] in ("added", "changed") if attribute else told[0] == what
    assert told[1:] == (effect, "0103", key, attribute)


def new_field(*, required: bool = False) -> dict[str, Any]:
    return {"key": "colour", "type": "text", "label_zh": "颜色", "label_en": "Colour", "required": required}


def test_a_renamed_field_is_one_and_the_same() -> None:
    raw = json.loads(document())
    raw["catalogue_version"] = "2025.1"
    field(shop(raw), "employees")["key"] = "staff"
    raw["changes"].append({"in": "2025.1", "what": "x", "item": "0103", "renamed": {"employees": "staff"}})
    found = differences(CURRENT, Version.of(json.dumps(raw).encode()))
    assert [(one.what, one.field, one.before) for one in found] == [("renamed", "staff", "employees")]


def test_a_type_that_goes_is_refused_from_old_apps() -> None:
    raw = json.loads(document())
    for category in raw["categories"]:
        category["items"] = [item for item in category["items"] if item["code"] != "0103"]
    newer = Version.of(json.dumps(raw).encode())
    assert only(differences(CURRENT, newer)) == ("removed", "refused", "0103", None, None)
    assert only(differences(newer, CURRENT)) == ("added", "none", "0103", None, None)


def test_parts_of_the_document_are_compared_by_what_they_name() -> None:
    raw = json.loads(document())
    raw["departments"][0]["name_en"] = "Another"
    (one,) = differences(CURRENT, Version.of(json.dumps(raw).encode()))
    assert (one.part, one.attribute, one.what) == ("departments", raw["departments"][0]["code"], "changed")


def test_what_is_kept_is_what_reading_old_sets_keeps() -> None:
    """The difference and the reading of older change sets must agree about every field."""
    found = differences(Version.of(document("2024.1")), CURRENT)
    told = {(one.type, one.field) for one in breaking(found) if one.effect == "kept"}
    passages = packaged().passages["2024.1"]
    kept = {(code, key) for code, way in passages.items() for key in way.kept}
    assert told == kept


def test_what_is_no_catalogue_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        Version.of(b"{}")
