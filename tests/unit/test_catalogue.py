"""The packaged catalogues, and what a faulty one is told. Truth is the plain JSON document."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from msgspec import json as strict_json
from msgspec import to_builtins

from schemas.catalogue import CURRENT, document, item_types, load
from schemas.forms import CatalogueFaulty, compile_catalogue, localised, packaged
from schemas.previous import PREVIOUS, load_previous

Document = dict[str, Any]


@pytest.fixture(scope="module")
def plain() -> Document:
    return json.loads(document())


def test_the_packaged_catalogue_has_8_categories_and_30_item_types(plain: Document) -> None:
    compiled = packaged()
    assert len(compiled.source.categories) == 8
    assert list(compiled.types) == [item["code"] for part in plain["categories"] for item in part["items"]]
    assert len(compiled.types) == 30


def test_the_types_mirror_the_document_word_for_word(plain: Document) -> None:
    mirrored = to_builtins(load())
    assert contains(mirrored, json.loads(json.dumps(plain)))


def contains(mirrored: Any, original: Any) -> bool:
    """Whether the mirror says all that the original says, apart from what equals a default."""
    if isinstance(original, dict):
        return all(
            contains(mirrored[key], value) if key in mirrored else value in (None, [], False, 0, "none")
            for key, value in original.items()
        )
    if isinstance(original, list):
        return len(mirrored) == len(original) and all(map(contains, mirrored, original))
    return mirrored == original


def test_the_document_is_served_as_packaged_with_its_own_tag() -> None:
    compiled = packaged()
    assert compiled.version == CURRENT == "2024.2"
    assert compiled.document == document()
    other = compile_catalogue(document().replace(b"2024.2", b"2024.3"))
    assert other.version == "2024.3"
    assert other.etag != compiled.etag
    assert compiled.etag.startswith('"')


@pytest.mark.parametrize("language", ["zh", "en"])
def test_one_language_alone_is_served(language: Any, plain: Document) -> None:
    answer = localised(packaged(), language)
    served = strict_json.decode(answer.document)
    item, original = served["categories"][0]["items"][0], plain["categories"][0]["items"][0]
    assert item["name"] == original[f"name_{language}"]
    assert item["fields"][1]["label"] == original["fields"][1][f"label_{language}"]
    assert item["fields"][1]["options"][0] == {
        "value": "resident_id",
        "label": original["fields"][1]["options"][0][language],
    }
    assert served["calendars"]["office"]["name"] == plain["calendars"]["office"][language]
    assert served["formats"]["uscc"]["name"] == "统一社会信用代码"
    keys = all_keys(served)
    assert not {key for key in keys if key in ("zh", "en") or key.endswith(("_zh", "_en"))}


def test_the_localised_bytes_and_tags_are_stable_and_differ_by_language() -> None:
    again = compile_catalogue(document())
    for language in ("zh", "en"):
        assert localised(again, language) == localised(packaged(), language)
    tags = {localised(packaged(), "zh").etag, localised(packaged(), "en").etag, packaged().etag}
    assert len(tags) == 3


def all_keys(part: Any) -> set[str]:
    if isinstance(part, dict):
        return set(part) | {key for value in part.values() for key in all_keys(value)}
    return {key for member in part for key in all_keys(member)} if isinstance(part, list) else set()


def test_the_previous_catalogue_gives_its_types_fields_and_options() -> None:
    plain_before = json.loads(document("2024.1"))
    before = load_previous("2024.1")
    assert before.catalogue_version == "2024.1"
    assert len(before.types()) == 30
    for category in plain_before["categories"]:
        for item in category["items"]:
            fields = before.types()[item["code"]].fields
            assert [field.key for field in fields] == [field["key"] for field in item["fields"]]
            options = [[option.value for option in field.options] for field in fields]
            assert options == [[o["value"] for o in f.get("options", [])] for f in item["fields"]]


def test_nothing_of_the_previous_catalogue_became_invalid() -> None:
    now = item_types(load())
    for version in PREVIOUS:
        for code, before in load_previous(version).types().items():
            current = {field.key: field for field in now[code].fields}
            for field in before.fields:
                assert field.key in current
                assert {o.value for o in field.options} <= {o.value for o in current[field.key].options}
            needed = {key for key, field in current.items() if field.required}
            assert needed <= {field.key for field in before.fields if field.required}


def test_an_unknown_version_is_not_accepted() -> None:
    with pytest.raises(KeyError):
        load_previous("2023.9")
    with pytest.raises(FileNotFoundError):
        document("2023.9")


def test_policies_marks_and_keys_of_a_record_and_of_an_event() -> None:
    resident, patrol = packaged().types["0101"], packaged().types["0201"]
    assert resident.merge_policy("phone") == "lww"
    assert resident.merge_policy("remark") == "append"
    assert resident.merge_policy("no_such_field") == "manual"
    assert {patrol.merge_policy(key) for key in patrol.fields} == {"manual"}
    assert resident.marked == set(resident.fields)
    assert patrol.marked == {"description", "photos"}
    assert resident.reference_fields == {"dwelling": ("0102",)}
    assert (resident.photo_field, patrol.photo_field) == (None, "photos")
    assert (resident.geo_fields, patrol.geo_fields) == ((), ("location",))


def test_a_required_photo_cannot_be_only_an_empty_list() -> None:
    organisation = packaged().types["0103"]
    codes = [(one.code, one.field) for one in organisation.check_whole({"photos": []}, date(2024, 6, 1))]
    assert ("field_required", "photos") in codes


def test_either_field_of_a_pair_is_enough() -> None:
    hazard = packaged().types["0405"]
    needed = {"place", "place_name"}
    neither = hazard.check_whole({"place_name": "  "}, date(2024, 6, 1))
    assert ("fields_any_required", "place") in [(one.code, one.field) for one in neither]
    for given in ({"place_name": "南谯北路建材店"}, {"place": "018f2f6e-7c1a-7000-8000-0000000ab771"}):
        found = {one.field for one in hazard.check_whole(given, date(2024, 6, 1))}
        assert not found & needed


def item(catalogue: Document, code: str) -> Document:
    return next(one for part in catalogue["categories"] for one in part["items"] if one["code"] == code)


def field(catalogue: Document, code: str, key: str) -> Document:
    return next(one for one in item(catalogue, code)["fields"] if one["key"] == key)


def set_at(catalogue: Document, path: str, value: Any) -> None:
    """Put a value at a path such as `categories[0].items[2].code`."""
    *way, last = path.replace("]", "").replace("[", ".").split(".")
    part: Any = catalogue
    for step in way:
        part = part[int(step)] if isinstance(part, list) else part[step]
    part[int(last) if isinstance(part, list) else last] = value


RESIDENT = "categories[0].items[0]"
DWELLING = "categories[0].items[1]"
ORGANISATION = "categories[0].items[2]"
PATROL = "categories[1].items[0]"
FIRE = "categories[3].items[0]"
WATER = "categories[3].items[3]"
VISIT = "categories[6].items[1]"
WOMEN = "categories[6].items[2]"

BROKEN: list[tuple[str, Any]] = [
    (f"{RESIDENT}.fields[1].options[1].value", "resident_id"),
    (f"{RESIDENT}.fields[0].type", "string"),
    (f"{RESIDENT}.fields[0].requierd", True),
    (f"{RESIDENT}.fields[0].max_length", "fifty"),
    (f"{RESIDENT}.fields[0].max_length", 0),
    (f"{RESIDENT}.fields[0].key", "Name"),
    (f"{RESIDENT}.fields[0].options", [{"value": "a", "zh": "甲", "en": "A"}]),
    (f"{RESIDENT}.fields[0].merge", "union"),
    (f"{RESIDENT}.fields[1].merge", "union"),
    (f"{RESIDENT}.fields[1].options", []),
    (f"{RESIDENT}.fields[2].format_by.resident_id", "gb99999"),
    (f"{RESIDENT}.fields[2].format_by.library_card", "passport"),
    (f"{RESIDENT}.fields[2].format_by.field", "name"),
    (f"{RESIDENT}.fields[5].ref[0]", "0199"),
    (f"{RESIDENT}.fields[5].ref", []),
    (f"{RESIDENT}.territory_from[0].field", "house"),
    (f"{RESIDENT}.territory_from[0].field", "name"),
    (f"{RESIDENT}.territory_from[1].field", "name"),
    (f"{RESIDENT}.duplicate_keys[1].keys[0]", "nickname"),
    (f"{RESIDENT}.deadline_hours", {}),
    (f"{RESIDENT}.deadline_hours.normal", 0),
    (f"{RESIDENT}.calendar", "lunar"),
    (f"{RESIDENT}.lead_department", "nasa"),
    (f"{RESIDENT}.assist_departments[0]", "nasa"),
    (f"{RESIDENT}.review_by[0].by", "neighbour"),
    (f"{RESIDENT}.review_by[0].by", "department:nasa"),
    (f"{RESIDENT}.review_by[0].tier", "galaxy"),
    (f"{RESIDENT}.review_by", []),
    (f"{RESIDENT}.sample_rate", 0),
    (f"{RESIDENT}.sensitivity", "none"),
    (f"{RESIDENT}.flow", "dispatch"),
    (f"{RESIDENT}.review", "three"),
    (f"{DWELLING}.fields[1].pattern", "^[0-9"),
    (f"{DWELLING}.fields[5].min", 30000),
    (f"{DWELLING}.fields[6].max", 60.5),
    (f"{DWELLING}.fields[9].min_items", 9),
    (f"{DWELLING}.photo.report_max", 5),
    (f"{ORGANISATION}.fields[1].format", "isbn"),
    (f"{ORGANISATION}.code", "0102"),
    (f"{PATROL}.urgency.default", "whenever"),
    (f"{PATROL}.urgency.allowed[0]", "whenever"),
    (f"{PATROL}.handle_hours", {"critical": 1, "urgent": 2}),
    (f"{PATROL}.respond_hours", {"critical": 1, "urgent": 2}),
    (f"{PATROL}.similar_within.same[0]", "weather"),
    (f"{PATROL}.photo.report_min_by_urgency", {"critical": 0, "urgent": 0}),
    (f"{PATROL}.photo.report_min_by_urgency.critical", 1),
    (f"{PATROL}.photo.forbidden", None),
    (f"{PATROL}.fields[0].merge", "lww"),
    (f"{FIRE}.photo.on_site_fix.field", "description"),
    (f"{FIRE}.photo.on_site_fix.field", "put_right"),
    (f"{WATER}.rules[0].when.all[0].field", "danger"),
    (f"{WATER}.rules[0].when.all[0].value[0]", "shark"),
    (f"{WATER}.rules[0].when.all[0].op", "in"),
    (f"{WATER}.rules[0].when.all[1].value", "yes"),
    (f"{WATER}.rules[1].when.op", "like"),
    (f"{WATER}.rules[1].when.value", "dike"),
    (f"{WATER}.rules[1].then.route_to", "nasa"),
    (f"{WATER}.rules[1].then.urgency", "whenever"),
    (f"{WATER}.rules[1].then", {}),
    (f"{VISIT}.review_raise[0].when.field", "silence"),
    (f"{VISIT}.review_raise[0].then.review_by[1].by", "neighbour"),
    (f"{VISIT}.review_raise[0].then.review_by[1].level", 3),
    (f"{VISIT}.readers[0]", "everybody"),
    (f"{WOMEN}.readers", []),
    (f"{WOMEN}.restricted_to[0]", "nasa"),
    (f"{WOMEN}.rules[0].then.route_to", "chengguan"),
    ("departments[0].calendar", "lunar"),
    ("departments[0].tiers[0]", "galaxy"),
    ("departments[1].code", "gongan"),
    ("merged_systems[0].department", "nasa"),
    ("roles[0].tiers[0]", "galaxy"),
    ("roles[1].code", "grid_worker"),
    ("case_exits[0].by[0]", "passer_by"),
    ("case_exits[0].reasons[1].code", "na_below_standard"),
    ("deadline_rules.accept_calendar", "lunar"),
    ("deadline_rules.accept_hours", {"critical": 1}),
    ("review_rules.order", {"critical": "dispatch_first"}),
    ("calendars.office.weekdays", [1, 8]),
    ("calendars.office.hours[1]", ["11:00", "17:30"]),
    ("calendars.office.hours[0]", ["8:30", "12:00"]),
    ("public_holidays.years.2024.days_off[0]", "2024-02-30"),
    ("public_holidays.years.2024.days_off[1]", "2025-01-01"),
    ("formats.isbn", {"zh": "书号", "check": None, "pattern": "^.*$"}),
    ("changes[2].item", "0999"),
    ("schema_version", 3),
    ("colour", "blue"),
]


@pytest.mark.parametrize(("path", "value"), BROKEN)
def test_each_fault_of_a_catalogue_is_told_with_its_place(plain: Document, path: str, value: Any) -> None:
    broken = json.loads(json.dumps(plain))
    set_at(broken, path, value)
    with pytest.raises(CatalogueFaulty) as refusal:
        compile_catalogue(json.dumps(broken).encode())
    places = [fault.path for fault in refusal.value.faults]
    assert any(place.startswith(path) or path.startswith((f"{place}.", f"{place}[")) for place in places), places
    assert len(places) <= 10
    assert all(fault.zh and fault.en for fault in refusal.value.faults)


def test_all_faults_are_told_together(plain: Document) -> None:
    broken = json.loads(json.dumps(plain))
    chosen = [f"{RESIDENT}.lead_department", f"{FIRE}.calendar", "roles[0].tiers[0]"]
    for path in chosen:
        set_at(broken, path, "nowhere")
    with pytest.raises(CatalogueFaulty) as refusal:
        compile_catalogue(json.dumps(broken).encode())
    assert {fault.path for fault in refusal.value.faults} == set(chosen)


def test_all_faults_of_shape_are_told_together(plain: Document) -> None:
    broken = json.loads(json.dumps(plain))
    del broken["categories"][0]["items"][0]["fields"][0]["required"]
    broken["categories"][0]["items"][1]["fields"] = "none"
    broken["tiers"][0]["hieght"] = 3
    broken["departments"][0] = "gongan"
    with pytest.raises(CatalogueFaulty) as refusal:
        compile_catalogue(json.dumps(broken).encode())
    assert {fault.path for fault in refusal.value.faults} == {
        f"{RESIDENT}.fields[0].required",
        f"{DWELLING}.fields",
        "tiers[0].hieght",
        "departments[0]",
    }


def make_reference_required(catalogue: Document) -> None:
    extra = field(catalogue, "0202", "dwelling")
    item(catalogue, "0201")["fields"].append({**extra, "required": True})


def forbid_photos_with_field(catalogue: Document) -> None:
    item(catalogue, "0201")["photo"] |= {"forbidden": True}


def repeat_a_key(catalogue: Document) -> None:
    item(catalogue, "0201")["fields"].append(field(catalogue, "0201", "persons"))


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (make_reference_required, f"{PATROL}.part_time"),
        (forbid_photos_with_field, f"{PATROL}.photo"),
        (repeat_a_key, f"{PATROL}.fields[7].key"),
    ],
)
def test_contradictions_are_told(plain: Document, spoil: Callable[[Document], None], place: str) -> None:
    broken = json.loads(json.dumps(plain))
    spoil(broken)
    with pytest.raises(CatalogueFaulty) as refusal:
        compile_catalogue(json.dumps(broken).encode())
    assert place in [fault.path for fault in refusal.value.faults]


@pytest.mark.parametrize("document_bytes", [b"", b"{", b"[]", b'"\\ud800"', b"\xff", b"[" * 10_000, b"null"])
def test_what_is_no_catalogue_at_all_is_refused(document_bytes: bytes) -> None:
    with pytest.raises(CatalogueFaulty):
        compile_catalogue(document_bytes)
