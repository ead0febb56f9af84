"""What stands against a next version of the catalogue, and what stored values may go on saying under it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest

from schemas.catalogue import document
from schemas.forms import compile_catalogue
from schemas.previous import PreviousCatalogue
from sync.catalogue_diff import Version, breaking, differences
from sync.catalogue_publishing import Hindrance, hindrances
from tests.integration.catalogue_scene import Document, edition, field_of, type_of, without_field, written

PAST = [Version.of(document("2024.2")), Version.of(document("2024.1"))]
TODAY = date(2026, 11, 26)
FACILITY: dict[str, Any] = {
    "name": "东门水塔",
    "facility_type": "water",
    "state": "stopped",
    "owner_unit": "自来水公司" * 4,
    "location": {"lon": 117.9, "lat": 32.7, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"},
    "photos": [{"sha256": "a" * 64, "size": 1000, "role": "report"}],
}


def against(raw: Document, *past: Document) -> list[Hindrance]:
    return hindrances([*(Version.of(written(one)) for one in past), *PAST], Version.of(written(raw)))


def drop(part: str, code: str) -> Callable[[Document], None]:
    def edit(raw: Document) -> None:
        raw[part] = [one for one in raw[part] if one["code"] != code]

    return edit


def drop_type(raw: Document) -> None:
    category = next(one for one in raw["categories"] if any(item["code"] == "0105" for item in one["items"]))
    category["items"] = [item for item in category["items"] if item["code"] != "0105"]


def drop_reason(raw: Document) -> None:
    raw["case_exits"][0]["reasons"].pop(0)


def rename_field(raw: Document) -> None:
    field_of(raw, "0105", "owner_unit")["key"] = "owner"
    raw["changes"].append(
        {"in": raw["catalogue_version"], "item": "0105", "what": "", "renamed": {"owner_unit": "owner"}}
    )


def several(raw: Document) -> None:
    field_of(raw, "0105", "state")["multi"] = True


EXIT = PAST[0].document["case_exits"][0]
REFUSED: list[tuple[str, str, Callable[[Document], object]]] = [
    ("catalogue_type_removed", "0105", drop_type),
    ("catalogue_kind_changed", "0105", lambda raw: type_of(raw, "0105").update(kind="event")),
    ("catalogue_stream_changed", "0105", lambda raw: type_of(raw, "0105").update(stream="grid_restricted")),
    ("catalogue_field_renamed", "0105.owner_unit", rename_field),
    (
        "catalogue_field_retyped",
        "0105.owner_unit",
        lambda raw: field_of(raw, "0105", "owner_unit").update(type="integer"),
    ),
    ("catalogue_field_retyped", "0105.state", several),
    (
        "catalogue_mark_changed",
        "0105.contact_phone",
        lambda raw: field_of(raw, "0105", "contact_phone").pop("sensitivity"),
    ),
    ("catalogue_mark_changed", "0105.name", lambda raw: field_of(raw, "0105", "name").update(sensitivity="personal")),
    ("catalogue_code_removed", "roles.auditor", drop("roles", "auditor")),
    ("catalogue_code_removed", "departments.xiaofang", drop("departments", "xiaofang")),
    ("catalogue_code_removed", "urgency_levels.urgent", drop("urgency_levels", "urgent")),
    ("catalogue_code_removed", "return_reasons.other", drop("return_reasons", "other")),
    ("catalogue_code_removed", f"case_exits.{EXIT['code']}.{EXIT['reasons'][0]['code']}", drop_reason),
    ("catalogue_version_invalid", "catalogue_version", lambda raw: raw.update(catalogue_version="next")),
    ("catalogue_version_taken", "catalogue_version", lambda raw: raw.update(catalogue_version="2024.1")),
    ("catalogue_version_taken", "catalogue_version", lambda raw: raw.update(catalogue_version="2024.2")),
    ("catalogue_version_older", "catalogue_version", lambda raw: raw.update(catalogue_version="2023.9")),
]


@pytest.mark.parametrize(("code", "place", "edit"), REFUSED, ids=[f"{code} {place}" for code, place, _ in REFUSED])
def test_what_stored_data_needs_cannot_go(code: str, place: str, edit: Callable[[Document], object]) -> None:
    raw = edition("2025.1")
    edit(raw)
    assert against(raw) == [Hindrance(code, place)]


def test_nothing_stands_against_the_same_under_a_new_version() -> None:
    assert against(edition("2025.1")) == []


def test_what_takes_less_or_asks_more_is_told_and_not_refused() -> None:
    raw = without_field(edition("2025.1"), "0105", "owner_unit")
    field_of(raw, "0105", "state")["options"].pop(0)
    field_of(raw, "0105", "name")["max_length"] = 5
    field_of(raw, "0105", "checked_on")["required"] = True
    type_of(raw, "0401")["handle_hours"]["normal"] = 48
    raw["roles"].append(raw["roles"][0] | {"code": "volunteer"})
    assert against(raw) == []
    told = breaking(differences(PAST[0], Version.of(written(raw))))
    assert sorted((str(one.field), one.effect) for one in told) == [
        ("checked_on", "asked"),
        ("name", "kept"),
        ("owner_unit", "kept"),
        ("state", "kept"),
    ]


def test_a_field_that_comes_back_is_what_it_was() -> None:
    gone = without_field(without_field(edition("2025.1"), "0105", "owner_unit"), "0105", "contact_phone")
    assert against(edition("2025.2"), gone) == []
    other = edition("2025.2")
    field_of(other, "0105", "owner_unit")["type"] = "integer"
    field_of(other, "0105", "contact_phone").pop("sensitivity")
    assert sorted(one.code for one in against(other, gone)) == ["catalogue_field_retyped", "catalogue_mark_changed"]


def test_every_fault_is_named() -> None:
    raw = edition("2023.1")
    drop_type(raw)
    drop("roles", "auditor")(raw)
    assert {one.code for one in against(raw)} == {
        "catalogue_version_older",
        "catalogue_type_removed",
        "catalogue_code_removed",
    }


def test_what_stood_in_an_item_is_no_fault_of_an_edit() -> None:
    raw = edition("2025.1")
    state = field_of(raw, "0105", "state")
    state["options"] = [one for one in state["options"] if one["value"] != "stopped"]
    field_of(raw, "0105", "owner_unit")["max_length"] = 10
    form = compile_catalogue(written(raw), [msgspec.json.decode(document(), type=PreviousCatalogue)]).types["0105"]
    assert {one.field for one in form.check_whole(FACILITY, TODAY)} == {"state", "owner_unit"}
    assert form.check_edited(FACILITY, FACILITY | {"name": "西门水塔"}, TODAY) == []
    worse = FACILITY | {"name": "西门水塔", "owner_unit": "自来水公司" * 5}
    assert [one.field for one in form.check_edited(FACILITY, worse, TODAY)] == ["owner_unit"]
    emptied = {key: value for key, value in FACILITY.items() if key != "name"}
    assert [one.code for one in form.check_edited(emptied, emptied | {"state": "ok"}, TODAY)] == ["field_required"]
