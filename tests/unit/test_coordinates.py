"""Coordinate systems: published pairs of points, inverses and distances."""

from math import inf, nan

import pytest

from sync.coordinates import (
    CoordinateError,
    bd09_to_gcj02,
    bd09_to_wgs84,
    distance_m,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    to_wgs84,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)

PLACES = [
    (118.0, 32.78),
    (118.333, 32.256),
    (117.2, 33.2),
    (119.2, 31.9),
    (116.404, 39.915),
    (121.4737, 31.2304),
    (87.6168, 43.8256),
    (126.6424, 45.7567),
    (109.5119, 18.2528),
]


@pytest.mark.parametrize(
    ("wgs84", "gcj02"),
    [
        ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
        ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
        ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
        ((116.404, 39.915), (116.41024449916938, 39.91640428150164)),
    ],
)
def test_published_pairs_of_wgs84_and_gcj02(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    assert wgs84_to_gcj02(*wgs84) == pytest.approx(gcj02, abs=1e-9)
    assert distance_m(*gcj02_to_wgs84(*gcj02), *wgs84) < 0.01


def test_published_pair_of_gcj02_and_bd09() -> None:
    assert gcj02_to_bd09(116.404, 39.915) == pytest.approx((116.41036949371029, 39.92133699351021), abs=1e-9)


def test_the_shift_in_central_chuzhou_is_half_a_kilometre_south_east() -> None:
    lon, lat = 118.3162, 32.3034
    shifted = wgs84_to_gcj02(lon, lat)
    assert shifted[0] - lon == pytest.approx(0.005417, abs=5e-5)
    assert shifted[1] - lat == pytest.approx(-0.001982, abs=5e-5)
    assert distance_m(lon, lat, *shifted) == pytest.approx(555, abs=8)


@pytest.mark.parametrize("place", PLACES)
def test_inverses_come_back_within_a_centimetre(place: tuple[float, float]) -> None:
    assert distance_m(*gcj02_to_wgs84(*wgs84_to_gcj02(*place)), *place) < 0.01
    assert distance_m(*bd09_to_gcj02(*gcj02_to_bd09(*place)), *place) < 0.01
    assert distance_m(*bd09_to_wgs84(*wgs84_to_bd09(*place)), *place) < 0.01


@pytest.mark.parametrize("place", [(0.0, 51.5), (-74.0, 40.7), (139.7, 35.7), (103.8, -1.3), (-180.0, -90.0)])
def test_outside_china_gcj02_is_wgs84(place: tuple[float, float]) -> None:
    assert wgs84_to_gcj02(*place) == place
    assert gcj02_to_wgs84(*place) == place


def test_a_point_is_converted_by_its_label() -> None:
    place = (118.0, 32.78)
    assert to_wgs84(*place, "wgs84") == place
    assert distance_m(*to_wgs84(*wgs84_to_gcj02(*place), "gcj02"), *place) < 0.01
    assert distance_m(*to_wgs84(*wgs84_to_bd09(*place), "bd09"), *place) < 0.01


@pytest.mark.parametrize("place", [(180.1, 0.0), (0.0, -90.1), (nan, 32.0), (118.0, inf)])
@pytest.mark.parametrize("crs", ["wgs84", "gcj02", "bd09"])
def test_what_is_no_place_on_earth_is_refused(place: tuple[float, float], crs: str) -> None:
    with pytest.raises(CoordinateError):
        to_wgs84(*place, crs)


def test_an_unknown_coordinate_system_is_refused() -> None:
    with pytest.raises(CoordinateError):
        to_wgs84(118.0, 32.0, "epsg3857")


@pytest.mark.parametrize(
    ("a", "b", "metres"),
    [
        ((0.0, 0.0), (1.0, 0.0), 111_195),
        ((118.0, 32.0), (118.0, 33.0), 111_195),
        ((116.4074, 39.9042), (121.4737, 31.2304), 1_067_300),
        ((-180.0, 0.0), (180.0, 0.0), 0),
        ((0.0, 90.0), (0.0, -90.0), 20_015_115),
    ],
)
def test_distances(a: tuple[float, float], b: tuple[float, float], metres: float) -> None:
    assert distance_m(*a, *b) == pytest.approx(metres, rel=5e-4, abs=1e-6)
