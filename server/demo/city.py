"""The demo city as pure data: its territory, offices, people and phones; the same for the same seed."""

from functools import cache
from typing import Final

from msgspec import Struct

from server.demo.crosswalk import CrosswalkRow, city_crosswalk
from server.demo.devices import FieldDevice, devices_of
from server.demo.divisions import STREET_CODE, Division
from server.demo.geography import DEMO_SEED, Territory, street_territory, whole_territory
from server.demo.grids import Grid
from server.demo.offices import Organisation, organisations_of
from server.demo.people import Person, people_of

FIELD_WORKERS: Final = 6060
_FIELD_WORKERS_OF_STREET: Final = 335


class City(Struct, frozen=True):
    """All that is filled in. Divisions stand after their parents, grids in the order of their codes."""

    whole: bool
    divisions: tuple[Division, ...]
    grids: tuple[Grid, ...]
    organisations: tuple[Organisation, ...]
    people: tuple[Person, ...]
    devices: tuple[FieldDevice, ...]
    crosswalk: tuple[CrosswalkRow, ...] = ()


@cache
def whole_city(seed: int = DEMO_SEED) -> City:
    """All of 滁州市: 8 counties, 2 zones, 229 communities, 2,088 grids, 6,060 field workers."""
    return _settle(whole_territory(seed), FIELD_WORKERS, seed, whole=True, crosswalk=city_crosswalk())


@cache
def one_street(seed: int = DEMO_SEED) -> City:
    """明光街道 and what stands above it: enough for the whole loop, and quickly made."""
    return _settle(street_territory(STREET_CODE, seed), _FIELD_WORKERS_OF_STREET, seed, whole=False, crosswalk=())


def _settle(
    territory: Territory, field_workers: int, seed: int, *, whole: bool, crosswalk: tuple[CrosswalkRow, ...]
) -> City:
    divisions, grids = territory
    organisations = organisations_of(divisions)
    people = people_of(divisions, grids, organisations, field_workers, seed)
    return City(whole, divisions, grids, organisations, people, devices_of(grids, people), crosswalk)
