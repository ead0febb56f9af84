"""Values that a form must take and values that it must refuse, made from the catalogue document alone."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st

from schemas.catalogue import document

TODAY = date(2024, 6, 1)
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
NAMED_BY = ("resident_id", "hmt_residence", "foreign_pr", "passport")

Values = dict[str, Any]


@cache
def documented_types() -> dict[str, dict[str, Any]]:
    """The item types as plain JSON: the truth that the compiled forms are held against."""
    catalogue = json.loads(document())
    return {item["code"]: item for category in catalogue["categories"] for item in category["items"]}


def forms() -> st.SearchStrategy[tuple[str, Values]]:
    """A whole form of any item type, good in every field."""
    return st.sampled_from(sorted(documented_types())).flatmap(
        lambda code: st.tuples(st.just(code), form(documented_types()[code]))
    )


@st.composite
def form(draw: st.DrawFn, item: dict[str, Any]) -> Values:
    values: Values = {}
    always = {key for keys in item.get("require_any", []) for key in keys}
    for field in item["fields"]:
        if field["required"] or field["key"] in always or draw(st.booleans()):
            values[field["key"]] = draw(good(field, values))
    return values


def good(field: dict[str, Any], beside: Values) -> st.SearchStrategy[Any]:
    """A good value of a field, beside the values that come before it in the form."""
    if field.get("format") == "uscc":
        return credit_codes()
    if field.get("format") == "plate":
        return st.from_regex(r"[皖苏浙][A-HJ-NP-Z][A-HJ-NP-Z0-9]{5,6}", fullmatch=True)
    if field["type"] == "national_id":
        return identities(beside.get(field["format_by"]["field"]))
    return MAKERS[field["type"]](field)


def texts(field: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in field:
        return st.from_regex(r"[0-9A-Za-z一-龥-]{1,40}", fullmatch=True)
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    several = st.text(letters, min_size=1, max_size=field["max_length"])
    return several.filter(lambda text: not text.isspace()) if field["required"] else several


def decimals(field: dict[str, Any]) -> st.SearchStrategy[str]:
    scale = field["scale"]
    steps = st.integers(int(field["min"]) * 10**scale, int(field["max"]) * 10**scale)
    return steps.map(lambda step: f"{step // 10**scale}.{step % 10**scale:0{scale}d}")


def choices(field: dict[str, Any]) -> st.SearchStrategy[Any]:
    options = [option["value"] for option in field["options"]]
    if not field.get("multi"):
        return st.sampled_from(options)
    return st.lists(st.sampled_from(options), min_size=1, unique=True)


@st.composite
def points(draw: st.DrawFn, crs: tuple[str, ...] = ("wgs84", "gcj02", "bd09")) -> Values:
    point: Values = {
        "lon": draw(st.floats(-180, 180)),
        "lat": draw(st.floats(-90, 90)),
        "crs": draw(st.sampled_from(crs)),
        "accuracy": draw(st.floats(0, 5000)),
        "provider": draw(st.sampled_from(["gps", "network", "fused"])),
    }
    if draw(st.booleans()):
        point["fixed_at"] = draw(st.none() | moments())
    return point


def moments() -> st.SearchStrategy[str]:
    return st.datetimes(min_value=TODAY_START.replace(year=1950), max_value=TODAY_START, timezones=st.just(UTC)).map(
        lambda moment: moment.isoformat()
    )


def photos(field: dict[str, Any]) -> st.SearchStrategy[list[Values]]:
    photo = st.fixed_dictionaries(
        {"sha256": st.binary(min_size=32, max_size=32).map(bytes.hex), "size": st.integers(1, 20 * 2**20)},
        optional={"role": st.sampled_from(["report", "close"])},
    )
    return st.lists(photo, min_size=1, max_size=field["max_items"], unique_by=lambda one: one["sha256"])


def identities(kind: str | None) -> st.SearchStrategy[str]:
    """An identity number that fits the document chosen beside it."""
    born = st.dates(date(1910, 1, 1), TODAY).map(lambda day: day.strftime("%Y%m%d"))
    serial = st.integers(0, 999).map(lambda number: f"{number:03d}")
    if kind == "resident_id":
        area = st.integers(110000, 659999).map(str)
        return st.tuples(area, born, serial).map(lambda parts: checked("".join(parts)))
    if kind == "hmt_residence":
        area = st.sampled_from(["810000", "820000", "830000"])
        return st.tuples(area, born, serial).map(lambda parts: checked("".join(parts)))
    if kind == "foreign_pr":
        new = st.from_regex(r"9[0-9]{16}", fullmatch=True).map(checked)
        return new | st.from_regex(r"[A-Z]{3}[0-9]{12}", fullmatch=True)
    return st.from_regex(r"[A-Z0-9]{5,20}", fullmatch=True)


def checked(first17: str) -> str:
    """The 18th character by definition: the whole sum, each weight a power of two, is 1 modulo 11."""
    partial = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(first17))
    last = next(value for value in range(11) if (partial + value) % 11 == 1)
    return first17 + ("X" if last == 10 else str(last))


def credit_codes() -> st.SearchStrategy[str]:
    first = st.from_regex(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{9}", fullmatch=True)
    return first.map(credit_checked)


def credit_checked(first17: str) -> str:
    """The 18th character by definition: the whole sum is 0 modulo 31, its own weight being 1."""
    total = sum(CREDIT_ALPHABET.index(one) * 3**place for place, one in enumerate(first17))
    return first17 + next(c for v, c in enumerate(CREDIT_ALPHABET) if (total + v) % 31 == 0)


TODAY_START = datetime(2024, 6, 1)

MAKERS = {
    "text": texts,
    "integer": lambda field: st.integers(field["min"], field["max"]),
    "decimal": decimals,
    "boolean": lambda _: st.booleans(),
    "date": lambda _: st.dates(date(1950, 1, 1), TODAY + timedelta(days=900)).map(date.isoformat),
    "datetime": lambda _: moments(),
    "enum": choices,
    "phone": lambda _: st.from_regex(r"1[3-9][0-9]{9}|0550-?[0-9]{7}", fullmatch=True),
    "geo_point": lambda _: points(),
    "reference": lambda _: st.uuids().map(str),
    "photo_list": photos,
}

PHOTO = {"sha256": "a1" * 32, "size": 1000}
POINT = {"lon": 118.3, "lat": 32.3, "crs": "wgs84", "accuracy": 5, "provider": "gps"}
NAN = float("nan")
LONE_SURROGATE = "\ud800"


def bad(field: dict[str, Any]) -> list[tuple[Any, str]]:
    """Values that a field must refuse, with the code of the fault."""
    wrong_type = [(value, "field_type") for value in WRONG_TYPES[field["type"]]]
    if field.get("multi"):
        first = field["options"][0]["value"]
        return [
            (first, "field_type"),
            ([first, first], "field_options_repeated"),
            ([first, "secret-choice"], "field_option"),
            ([first, LONE_SURROGATE], "field_option"),
            ([first, 77177], "field_option"),
        ]
    return wrong_type + BAD[field["type"]](field)


def bad_texts(field: dict[str, Any]) -> list[tuple[Any, str]]:
    coded = {"uscc": ("credit_code_form", "credit_code_check"), "plate": ("plate_form", "plate_form")}
    if "format" in field:
        form_code, check_code = coded[field["format"]]
        right = "91350100M000100Y43"
        wrong = [("SECRET-77", form_code), (f"{LONE_SURROGATE}77177", form_code)]
        return [*wrong, (right[:-1] + "4", check_code)] if field["format"] == "uscc" else wrong
    long = "密" * (field["max_length"] + 1)
    if "pattern" in field:
        return [("secret 77", "field_pattern"), ("secret77\n", "field_pattern"), (long, "field_too_long")]
    return [
        (long, "field_too_long"),
        ("secret\0", "field_characters"),
        ("secret" + LONE_SURROGATE, "field_characters"),
    ] + ([("   ", "field_required"), ("", "field_required")] if field["required"] else [])


def bad_decimals(field: dict[str, Any]) -> list[tuple[Any, str]]:
    forms = ["7717.", ".7717", "7717e1", "7,717", " 7717", "7717\n", "NaN", "Infinity", "٧٧١٧", "+7717"]
    over = [f"{int(field['max']) + 7717}", f"{int(field['min']) - 7717}"]
    return [
        *((one, "field_decimal") for one in forms),
        ("7717." + "1" * (field["scale"] + 1), "field_decimal"),
        ("1" * 13, "field_decimal"),
        ("1" * 50, "field_decimal"),
        *((one, "field_range") for one in over),
    ]


def bad_points(_: dict[str, Any]) -> list[tuple[Any, str]]:
    without_crs = {key: value for key, value in POINT.items() if key != "crs"}
    spoilt: list[Values] = [
        {"lon": 187.7177},
        {"lat": -97.7177},
        {"lon": NAN},
        {"lat": float("inf")},
        {"accuracy": -7.7177},
        {"accuracy": NAN},
        {"lon": "118.7177"},
        {"provider": 77177},
        {"provider": "sec\0ret"},
        {"provider": ""},
        {"fixed_at": "2024-06-01T08:00:00"},
        {"fixed_at": 77177},
        {"fixed_at": TODAY_START.replace(tzinfo=UTC)},
        {"secret": 1},
    ]
    return [
        (without_crs, "point_crs"),
        ({**POINT, "crs": "secret-crs"}, "point_crs"),
        ({**POINT, "crs": None}, "point_crs"),
        *(({**POINT, **one}, "point_form") for one in spoilt),
    ]


def bad_photos(field: dict[str, Any]) -> list[tuple[Any, str]]:
    many = [{"sha256": f"{number:064x}", "size": 77177} for number in range(field["max_items"] + 1)]
    return [
        ([PHOTO, PHOTO], "photo_repeated"),
        ([PHOTO, {**PHOTO, "role": "close"}], "photo_repeated"),
        (many, "photos_too_many"),
        ([{**one, "role": "close"} for one in many], "photos_too_many"),
        ([{**PHOTO, "sha256": "A1" * 32}], "photo_form"),
        ([{**PHOTO, "sha256": "a1" * 31}], "photo_form"),
        ([{**PHOTO, "role": "secret-role"}], "photo_form"),
        ([{**PHOTO, "size": 0}], "photo_form"),
        ([{**PHOTO, "size": 20 * 2**20 + 1}], "photo_too_large"),
        ([{**PHOTO, "name": "secret.jpg"}], "photo_form"),
        ([77177], "photo_form"),
        ([{}], "photo_form"),
    ]


def bad_references(_: dict[str, Any]) -> list[tuple[Any, str]]:
    right = "018f2f6e-7c1a-7000-8000-0000000ab771"
    wrong = [right.upper(), right.replace("-", ""), f"{{{right}}}", right + "\n", "secret", right[:-1] + "g"]
    return [(one, "reference_form") for one in wrong]


BAD = {
    "text": bad_texts,
    "integer": lambda field: [
        (field["max"] + 7717, "field_range"),
        (field["min"] - 7717, "field_range"),
        (10**30, "field_range"),
    ],
    "decimal": bad_decimals,
    "boolean": lambda _: [],
    "date": lambda _: [
        (one, "field_date")
        for one in ("2023-02-29", "2024-6-1", "20240601", "1024-06-01", "2024-06-01T00:00:00Z", "secret")
    ],
    "datetime": lambda _: [
        (one, "field_datetime")
        for one in (
            "2024-06-01T08:00:00",
            "2024-06-31T08:00:00Z",
            "2024-06-01",
            "2024-06-01T25:00:00Z",
            "0001-01-01T00:00:00+08:00",
            "secret",
        )
    ],
    "enum": lambda _: [("secret-choice", "field_option"), (LONE_SURROGATE, "field_option")],
    "phone": lambda _: [
        (one, "phone_form") for one in ("12717717717", "secret", "13855012345\n", "", "1" * 60, "\u0661385501234\u0665")
    ],
    "national_id": lambda _: [
        ("7" * 41, "field_too_long"),
        ("secret\0", "field_characters"),
        ("   ", "id_form"),
    ],
    "geo_point": bad_points,
    "reference": bad_references,
    "photo_list": bad_photos,
}

WRONG_TYPES: dict[str, list[Any]] = {
    "text": [77177, ["secret"], {"secret": 1}, b"secret", True],
    "integer": ["77177", 7717.0, True, [77177]],
    "decimal": [77177, 7717.5, True, ["7717"]],
    "boolean": ["true", 1, 0, [True]],
    "date": [20240601, TODAY_START, ["2024-06-01"]],
    "datetime": [1717200000, TODAY_START.replace(tzinfo=UTC), ["2024-06-01T08:00:00Z"]],
    "enum": [77177, ["secret"], True],
    "phone": [13855012345, ["13855012345"]],
    "national_id": [340524198001010011, ["secret"]],
    "geo_point": [[118.7177, 32.7177], "118.7177,32.7177", 77177],
    "reference": [77177, b"secret-secret-16", ["018f2f6e-7c1a-7000-8000-0000000ab771"]],
    "photo_list": [{"sha256": "a1" * 32, "size": 77177}, "secret", 77177],
}
