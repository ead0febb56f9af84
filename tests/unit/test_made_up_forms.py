"""The simulator's forms: valid in all item types, believable, repeatable, and changed as a second visit would."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta, timezone
from io import BytesIO
from random import Random
from typing import Any
from uuid import UUID

import pytest
from PIL import ExifTags, Image
from shapely import Point, Polygon

from schemas.forms import packaged
from server.made_up.forms import (
    NothingToReferToError,
    Scene,
    claimed_urgency,
    edit_fields,
    editable,
    make_fields,
    missing_references,
)
from server.made_up.forms.habits import habits
from server.made_up.names import Locality
from server.made_up.photos import take_photo
from sync.coordinates import gcj02_to_wgs84
from sync.rules import apply_rules, photos_needed

TYPES = sorted(packaged().types)
NOW = datetime(2025, 10, 14, 15, 20, tzinfo=timezone(timedelta(hours=8)))
OUTLINE = [[(117.98, 32.77), (117.99, 32.77), (117.99, 32.775), (117.985, 32.778), (117.982, 32.773), (117.98, 32.77)]]
RECORDS = ["0101", "0102", "0103", "0104", "0105"]


def a_scene(**more: Any) -> Scene:
    items = {code: [str(UUID(int=int(code) * 100 + number)) for number in range(40)] for code in RECORDS}
    return Scene(NOW, OUTLINE, items, **more)


def made(item_type: str, count: int = 40) -> list[tuple[dict[str, Any], Scene]]:
    forms: list[tuple[dict[str, Any], Scene]] = []
    for seed in range(count):
        scene = a_scene()
        forms.append((make_fields(item_type, Random(f"{item_type} {seed}"), scene), scene))
    return forms


@pytest.mark.parametrize("item_type", TYPES)
def test_every_form_is_valid_and_already_in_its_stored_form(item_type: str) -> None:
    form = packaged().types[item_type]
    for fields, _ in made(item_type):
        assert form.check_whole(fields, NOW.date()) == []
        assert form.normalise(fields) == fields
        photos = fields.get(form.photo_field or "", [])
        fixed = apply_rules(form.type, fields, None).fixed_on_site
        for urgency in form.type.urgency.allowed:
            taken = sum(photo["role"] == "report" for photo in photos)
            assert taken >= photos_needed(form.type, urgency, fixed, "report")


@pytest.mark.parametrize("item_type", TYPES)
def test_every_edit_changes_something_and_leaves_the_form_valid(item_type: str) -> None:
    form = packaged().types[item_type]
    for seed, (fields, _) in enumerate(made(item_type)):
        rng = Random(seed)
        for _ in range(4):
            edit = edit_fields(item_type, fields, rng)
            assert edit
            assert all(fields.get(key) != value for key, value in edit.items())
            assert form.check_change(edit) == []
            fields = {**fields, **edit}
            assert form.check_whole(fields, NOW.date()) == []


@pytest.mark.parametrize("item_type", TYPES)
def test_an_edit_can_be_held_to_a_field_so_that_two_phones_overlap(item_type: str) -> None:
    fields, _ = made(item_type, 1)[0]
    rng = Random(1)
    met = {key for key in editable(item_type) for _ in range(6) if key in edit_fields(item_type, fields, rng, [key])}
    assert met
    assert edit_fields(item_type, fields, rng, ["no_such_field"]) == {}


@pytest.mark.parametrize("item_type", TYPES)
def test_photos_are_real_and_their_bytes_are_in_the_album(item_type: str) -> None:
    for fields, scene in made(item_type, 12):
        listed = [photo for value in fields.values() if isinstance(value, list) for photo in value if "sha256" in photo]
        assert {f"{photo['sha256']}-{photo['size']}" for photo in listed} == set(scene.album)
        for photo in listed:
            data = scene.album[f"{photo['sha256']}-{photo['size']}"]
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (photo["sha256"], photo["size"])
            Image.open(BytesIO(data)).load()


def test_what_is_fixed_on_the_spot_has_a_photo_after_it() -> None:
    fixed = [fields for fields, _ in made("0401") if fields["fixed_on_site"]]
    assert fixed
    assert all({"report", "close"} == {photo["role"] for photo in fields["photos"]} for fields in fixed)


def test_references_point_to_items_of_the_grid() -> None:
    for item_type in TYPES:
        form = packaged().types[item_type]
        for fields, scene in made(item_type, 20):
            for key, codes in form.reference_fields.items():
                if key in fields:
                    assert fields[key] in [one for code in codes for one in scene.items[code]]


def test_a_person_gets_one_care_record() -> None:
    scene = a_scene()
    persons = [make_fields("0104", Random(seed), scene)["person"] for seed in range(40)]
    assert len(set(persons)) == 40
    with pytest.raises(NothingToReferToError):
        make_fields("0104", Random(99), scene)


def test_what_must_be_made_first_is_told() -> None:
    empty = Scene(NOW, OUTLINE, {})
    assert missing_references("0101", empty) == [("0102",)]
    assert missing_references("0401", empty) == []
    assert missing_references("0101", a_scene()) == []
    with pytest.raises(NothingToReferToError, match="0102"):
        make_fields("0101", Random(1), empty)


@pytest.mark.parametrize("crs", ["wgs84", "gcj02"])
def test_points_lie_inside_the_outline_in_the_phones_own_coordinates(crs: Any) -> None:
    grid = Polygon(OUTLINE[0])
    for seed in range(200):
        point = make_fields("0102", Random(seed), a_scene(crs=crs))["location"]
        at = (point["lon"], point["lat"])
        assert point["crs"] == crs
        assert grid.contains(Point(gcj02_to_wgs84(*at) if crs == "gcj02" else at))


def test_addresses_firms_and_numbers_are_those_of_the_neighbourhood() -> None:
    where = Locality("341102", "琅琊区", "琅琊街道", ("凤凰路",), ("凤凰花园",))
    made = {
        code: [make_fields(code, Random(seed), a_scene(where=where)) for seed in range(40)]
        for code in ("0101", "0102", "0103")
    }
    assert all(re.match("安徽省滁州市琅琊区琅琊街道凤凰路[0-9]+号(凤凰花园)?", one["address"]) for one in made["0102"])
    assert all(one["credit_code"].startswith("91341102") for one in made["0103"] if "credit_code" in one)
    local = [one["national_id"] for one in made["0101"] if str(one.get("national_id")).startswith("341102")]
    assert len(local) > 15
    assert not re.search("明光", str(made))


def test_equal_seeds_make_equal_forms_and_photos() -> None:
    for item_type in TYPES:
        first, again = (make_fields(item_type, Random(5), scene) for scene in (a_scene(), a_scene()))
        assert first == again


def test_forms_differ_from_each_other() -> None:
    for item_type in TYPES:
        forms = [fields for fields, _ in made(item_type)]
        assert len({str(sorted(fields.items())) for fields in forms}) > 0.9 * len(forms)


def test_identity_numbers_and_credit_codes_do_not_repeat() -> None:
    numbers = [fields["national_id"] for fields, _ in made("0101", 400) if "national_id" in fields]
    codes = [fields["credit_code"] for fields, _ in made("0103", 100) if "credit_code" in fields]
    assert len(set(numbers)) == len(numbers) > 300
    assert len(set(codes)) == len(codes) > 50


def test_texts_are_chinese_and_every_word_of_a_template_was_found() -> None:
    for item_type in TYPES:
        form = packaged().types[item_type]
        for fields, _ in made(item_type, 20):
            for key, value in fields.items():
                if form.fields[key].type == "text" and form.fields[key].format is None and key != "unit_no":
                    assert re.search("[一-龥]", value), (item_type, key, value)
                    assert not re.search("[{}]", value)


def test_every_urgency_is_one_that_a_worker_may_claim() -> None:
    for item_type in TYPES:
        rule = packaged().types[item_type].type.urgency
        claimed = {claimed_urgency(item_type, Random(seed)) for seed in range(200)}
        assert claimed == set(rule.allowed)


def test_the_habits_speak_of_fields_and_options_that_exist() -> None:
    assert sorted(habits()) == TYPES
    for item_type, habit in habits().items():
        fields = packaged().types[item_type].fields
        named = {*habit.edits, *habit.weights, *habit.chance, *habit.range, *habit.texts, *habit.match, *habit.only_if}
        assert named <= set(fields), item_type
        for key, weights in habit.weights.items():
            assert set(weights) == {option.value for option in fields[key].options}, (item_type, key)
        for given in [*habit.texts.values(), *habit.match.values()]:
            if isinstance(given, dict):
                by = str(given["by"])
                assert set(given) - {"by"} == {option.value for option in fields[by].options}, (item_type, by)
        texts = {key for key, field in fields.items() if field.type == "text" and field.format is None}
        assert texts == set(habit.texts), item_type


def test_a_photo_tells_when_and_where_it_was_taken() -> None:
    photo = take_photo(Random(3), "0401 hazard.fire report", NOW, (117.9876, 32.7812))
    assert 1_000 < photo.size < 30_000
    exif = Image.open(BytesIO(photo.data)).getexif()
    taken = exif.get_ifd(ExifTags.IFD.Exif)
    assert taken[ExifTags.Base.DateTimeOriginal] == "2025:10:14 15:20:00"
    assert taken[ExifTags.Base.OffsetTimeOriginal] == "+08:00"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    degrees, minutes, seconds = gps[ExifTags.GPS.GPSLatitude]
    assert float(degrees + minutes / 60 + seconds / 3600) == pytest.approx(32.7812, abs=1e-6)
    assert gps[ExifTags.GPS.GPSLongitudeRef] == "E"


def test_photos_differ() -> None:
    rng = Random(1)
    taken = [take_photo(rng, "0401 hazard.fire report", NOW, (117.98, 32.77)).sha256 for _ in range(200)]
    assert len(set(taken)) == 200
