"""docs/protocol.md, sections 8 and 9: every form of value that is taken, what it becomes, and the limits."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from server.settings import Settings
from tests.builders import form
from tests.protocol.live import LiveServer
from tests.protocol.rawphone import RawPhone, compact, create

HOUR = "2024-05-20T08:30:00+08:00"


@pytest.fixture
def phone(shared_server: LiveServer) -> RawPhone:
    return RawPhone(shared_server)


def stored(phone: RawPhone, type_code: str, **fields: Any) -> dict[str, Any]:
    """The fields of a new item as they are pulled."""
    made = create(type_code, **_with_home(phone, type_code), **fields)
    (outcome,) = phone.push(made)["outcomes"]
    assert outcome["outcome"] == "applied", outcome
    entries = [entry for page in phone.pull()["streams"] for entry in page["entries"] if entry["id"] == made["item"]]
    return entries[0]["item"]["fields"]


def refusal(phone: RawPhone, type_code: str, **fields: Any) -> str:
    """The field that is refused; nothing else may be."""
    (outcome,) = phone.push(create(type_code, **_with_home(phone, type_code), **fields))["outcomes"]
    assert outcome["outcome"] == "rejected", (fields, outcome)
    assert not any(str(value) in outcome["zh"] + outcome["en"] for value in fields.values() if len(str(value)) > 6)
    return outcome["field"]


def _with_home(phone: RawPhone, type_code: str) -> dict[str, Any]:
    if type_code != "0101":
        return {}
    home = create()
    phone.push(home)
    return {"dwelling": home["item"]}


TAKEN: list[tuple[str, str, list[Any]]] = [
    ("0102", "address", ["x", "x" * 120, "𠮷" * 120, "a\nb", "🏠", " x"]),
    ("0102", "rooms_let", [0, 60]),
    ("0102", "area_m2", ["1", "20000", "12.50", "12.5"]),
    ("0102", "gas_cylinder", [True, False]),
    ("0102", "owner_phone", ["13855012345", "0550-3012345"]),
    ("0101", "move_in_date", ["2024-02-29", "1900-01-01"]),
    ("0201", "seen_at", [HOUR, "2024-05-20T00:30:00Z"]),
]
REFUSED: list[tuple[str, str, list[Any]]] = [
    ("0102", "address", ["", " ", "\u3000", "x" * 121, "𠮷" * 121]),
    ("0102", "rooms_let", [-1, 61, 1.5, "1", True, 2**53]),
    ("0102", "area_m2", [1, 1.5, "0.99", "20000.01", "1.234", "+1", "1e3", "NaN", " 1", "1."]),
    ("0102", "gas_cylinder", ["true", 0]),
    ("0102", "owner_phone", ["123", "23855012345", "1385501234", "+8613855012345"]),
    ("0101", "move_in_date", ["2023-02-29", "1899-12-31", "3000-01-01", "2024-2-9", "20240209", HOUR, 5]),
    ("0201", "seen_at", ["2024-05-20T08:30:00", "2024-05-20", "2024-13-01T00:00:00Z", 1716165000]),
    ("0102", "use", ["castle", ["owner"], ""]),
    ("0401", "hazards", [["castle"], "lane", []]),
    ("0101", "national_id", ["110105194912310021", "11010519491331002X", "1101051949123100", "x"]),
    ("0102", "location", [
        {"lon": 117.9, "lat": 32.7, "accuracy": 5.0}, {"lon": 117.9, "lat": 32.7, "crs": "utm", "accuracy": 5.0},
        {"lon": 181, "lat": 32.7, "crs": "wgs84", "accuracy": 5.0}, {"lon": 117.9, "lat": 91, "crs": "wgs84"},
    ]),
    ("0102", "photos", [
        [{"sha256": "x", "size": 5}], [{"sha256": "ab" * 32, "size": 0}], [{"sha256": "ab" * 32, "size": 5}] * 2,
        [{"sha256": "ab" * 32, "size": 5, "role": "selfie"}], [{"sha256": f"{n:064x}", "size": 5} for n in range(5)],
    ]),
    ("0101", "dwelling", ["x", 5]),
]  # fmt: skip


@pytest.mark.parametrize(("type_code", "key", "values"), TAKEN, ids=[one[1] for one in TAKEN])
def test_values_that_are_taken(phone: RawPhone, type_code: str, key: str, values: list[Any]) -> None:
    for value in values:
        assert key in stored(phone, type_code, **{key: value}), value


@pytest.mark.parametrize(("type_code", "key", "values"), REFUSED, ids=[one[1] for one in REFUSED])
def test_values_that_are_refused(phone: RawPhone, type_code: str, key: str, values: list[Any]) -> None:
    for value in values:
        changed = create(type_code, **(_with_home(phone, type_code) | {key: value}))
        (outcome,) = phone.push(changed)["outcomes"]
        assert (outcome["outcome"], outcome.get("field")) == ("rejected", key), (value, outcome)
        assert len(str(value)) < 8 or str(value) not in outcome["zh"] + outcome["en"]


def test_identity_numbers_are_in_upper_case(phone: RawPhone) -> None:
    assert stored(phone, "0101", national_id="11010519491231002x")["national_id"] == "11010519491231002X"


def test_the_kind_of_document_decides_the_form_of_its_number(phone: RawPhone) -> None:
    assert stored(phone, "0101", id_type="passport", national_id="E12345678")["national_id"] == "E12345678"
    assert refusal(phone, "0101", id_type="resident_id", national_id="E12345678") == "national_id"


def test_sets_are_sorted(phone: RawPhone) -> None:
    """In one order, whoever wrote them in whichever."""
    one = stored(phone, "0401", hazards=["lane", "cable", "ebike"])["hazards"]
    other = stored(phone, "0401", hazards=["ebike", "lane", "cable"])["hazards"]
    assert one == other
    assert sorted(one) == ["cable", "ebike", "lane"]
    assert stored(phone, "0401", hazards=["lane", "lane"])["hazards"] == ["lane"]


def test_photos_have_their_role(phone: RawPhone) -> None:
    photos = stored(phone, "0102", photos=[{"sha256": "ab" * 32, "size": 5}])["photos"]
    assert photos == [{"sha256": "ab" * 32, "size": 5, "role": "report"}]


@pytest.mark.parametrize(("crs", "lon", "lat"), [("gcj02", 117.9105, 32.7033), ("bd09", 117.9170, 32.7092)])
def test_points_of_other_systems_are_placed_where_they_are(phone: RawPhone, crs: str, lon: float, lat: float) -> None:
    """Some hundred metres beside the same number in WGS-84; the original is kept."""
    point = {"lon": lon, "lat": lat, "crs": crs, "accuracy": 5.0, "provider": "gps"}
    assert stored(phone, "0102", location=point)["location"] == point


def test_unknown_fields_of_the_envelope_are_ignored_and_of_a_form_refused(phone: RawPhone) -> None:
    made = create() | {"mood": "good"}
    raw = compact(phone.change_set([made], weather="rain"))
    (receipt,) = phone.exchange(raw, first=phone.no, colour="red")["receipts"]
    assert receipt["outcomes"][0]["outcome"] == "applied"
    assert refusal(phone, "0102", mood="good") == "mood"


def test_what_a_form_requires(phone: RawPhone) -> None:
    for key in form("0102"):
        assert refusal(phone, "0102", **{key: None}) == key


def test_a_set_at_the_limit_and_one_byte_over_it(shared_server: LiveServer, phone: RawPhone) -> None:
    limit = shared_server.settings.max_set_bytes
    for size, status in ((limit, "decided"), (limit + 1, "rejected")):
        no = phone.no + 1
        whole = phone.change_set([create()], padding="")
        whole["padding"] = "x" * (size - len(compact(whole)))
        raw = compact(whole)
        assert len(raw) == size
        (receipt,) = phone.exchange(raw, first=no)["receipts"]
        assert receipt["status"] == status
        assert receipt.get("code") == (None if status == "decided" else "set_too_large")
        assert shared_server.kept_bytes(phone.id, no) == [raw]


def test_the_limits_are_settings() -> None:
    names = {"max_set_bytes", "max_body_bytes", "pull_page_bytes", "access_token_minutes", "refresh_token_days"}
    assert names | {"enrol_code_hours", "upload_url_minutes", "read_url_minutes"} <= set(Settings.__struct_fields__)


def test_an_item_may_be_made_without_a_claimed_grid(phone: RawPhone) -> None:
    """Its own point says where it is."""
    made = create()
    del made["grid"]
    (outcome,) = phone.push(made | {"item": str(uuid4())})["outcomes"]
    assert outcome["outcome"] == "applied"
