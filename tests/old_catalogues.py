"""The current catalogue with its previous versions: the packaged one, one made up for what that does not show, and one
that is accepted no more, of which only kept values are left.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import msgspec

from schemas.catalogue import document
from schemas.forms import CompiledCatalogue, compile_catalogue
from schemas.item_type import Field
from schemas.previous import PreviousCatalogue, PreviousCategory, PreviousType, load_previous

GONE = "2023.1"
OLDEST = "2023.2"
OLDER = "2024.1"
_RENAMED = [
    {"in": "2024.1", "item": "0105", "what": "title is called name now", "renamed": {"title": "name"}},
    {
        "in": "2024.2",
        "item": "0105",
        "what": "kind is called facility_type now, lights a lamp",
        "renamed": {"kind": "facility_type"},
        "recoded": {"facility_type": {"lights": "lamp"}},
    },
]


@cache
def catalogue_of_three() -> CompiledCatalogue:
    """The forms of today, reached from 2024.1, 2023.2 and, once, from 2023.1."""
    today = json.loads(document())
    today["changes"] = [*reversed(_RENAMED), *today["changes"]]
    return compile_catalogue(json.dumps(today).encode(), [load_previous(OLDER), oldest(), _gone()])


def oldest() -> PreviousCatalogue:
    """The version that was made up."""
    data = Path(__file__).with_name("data").joinpath(f"catalogue-{OLDEST}.json").read_bytes()
    return msgspec.json.decode(data, type=PreviousCatalogue)


def _gone() -> PreviousCatalogue:
    motto = Field(key="motto", type="text", label_zh="口号", label_en="Motto", required=False, max_length=40)
    facility = PreviousType("0105", "record", (*oldest().types()["0105"].fields, motto))
    return PreviousCatalogue(GONE, (PreviousCategory("01", (facility,)),))
