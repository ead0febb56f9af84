"""Coordinate systems of points: WGS-84, GCJ-02 and BD-09, in degrees, longitude first.

A phone's raw fix is WGS-84; AMap and Tencent give GCJ-02 inside China, Baidu gives BD-09. CGCS2000, the legal
datum, agrees with WGS-84 to centimetres and is treated as the same. The offsets of GCJ-02 and BD-09 have no
official publication: these formulas are the well-known public approximation (Krasovsky 1940 ellipsoid, sine
series), with which map services agree to about a metre. It has no closed inverse; the inverse is iterated.
"""

from collections.abc import Callable
from math import asin, atan2, cos, hypot, pi, radians, sin, sqrt
from typing import Final, Literal

Crs = Literal["wgs84", "gcj02", "bd09"]
LonLat = tuple[float, float]

EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius of the Earth (IUGG) in metres."""

_SEMI_MAJOR_M: Final = 6_378_245.0
_ECCENTRICITY_SQUARED: Final = 0.00669342162296594323
_BAIDU_ANGLE: Final = pi * 3000.0 / 180.0
_SHIFTED_LON: Final = (72.004, 137.8347)
_SHIFTED_LAT: Final = (0.8293, 55.8271)
_INVERSE_STEPS: Final = 30
_INVERSE_TOLERANCE_DEG: Final = 1e-9


class CoordinateError(ValueError):
    """A longitude or latitude that is no place on Earth, or an unknown coordinate system."""


def to_wgs84(lon: float, lat: float, crs: Crs) -> LonLat:
    """Convert a point to WGS-84 degrees; raises `CoordinateError`. The inverses are exact to a millimetre."""
    check_bounds(lon, lat)
    if crs == "wgs84":
        return lon, lat
    if crs == "gcj02":
        return gcj02_to_wgs84(lon, lat)
    if crs == "bd09":
        return bd09_to_wgs84(lon, lat)
    raise CoordinateError(f"unknown coordinate system {crs!r}: use wgs84, gcj02 or bd09")


def check_bounds(lon: float, lat: float) -> None:
    """Raise `CoordinateError` unless both are finite, |lon| <= 180 and |lat| <= 90."""
    if not (-180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0):
        raise CoordinateError("longitude must be within -180..180 and latitude within -90..90")


def wgs84_to_gcj02(lon: float, lat: float) -> LonLat:
    """WGS-84 to GCJ-02. Outside the rectangle around China the two are the same."""
    if not _is_shifted(lon, lat):
        return lon, lat
    east, north = _offset(lon - 105.0, lat - 35.0)
    sin_lat = sin(radians(lat))
    curvature = 1.0 - _ECCENTRICITY_SQUARED * sin_lat * sin_lat
    prime_vertical_m = _SEMI_MAJOR_M / sqrt(curvature)
    meridian_m = _SEMI_MAJOR_M * (1.0 - _ECCENTRICITY_SQUARED) / (curvature * sqrt(curvature))
    return lon + east / radians(prime_vertical_m * cos(radians(lat))), lat + north / radians(meridian_m)


def gcj02_to_wgs84(lon: float, lat: float) -> LonLat:
    """GCJ-02 to WGS-84."""
    return _inverse(wgs84_to_gcj02, lon, lat)


def gcj02_to_bd09(lon: float, lat: float) -> LonLat:
    """GCJ-02 to BD-09, which Baidu shifts once more."""
    distance = hypot(lon, lat) + 0.00002 * sin(lat * _BAIDU_ANGLE)
    angle = atan2(lat, lon) + 0.000003 * cos(lon * _BAIDU_ANGLE)
    return distance * cos(angle) + 0.0065, distance * sin(angle) + 0.006


def bd09_to_gcj02(lon: float, lat: float) -> LonLat:
    """BD-09 to GCJ-02."""
    return _inverse(gcj02_to_bd09, lon, lat)


def wgs84_to_bd09(lon: float, lat: float) -> LonLat:
    """WGS-84 to BD-09."""
    return gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))


def bd09_to_wgs84(lon: float, lat: float) -> LonLat:
    """BD-09 to WGS-84."""
    return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))


def distance_m(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> float:
    """Metres between two WGS-84 points on the mean sphere (haversine; within 0.6 % of the ellipsoid)."""
    half_lat = sin(radians(lat_b - lat_a) / 2.0)
    half_lon = sin(radians(lon_b - lon_a) / 2.0)
    haversine = half_lat * half_lat + cos(radians(lat_a)) * cos(radians(lat_b)) * half_lon * half_lon
    return 2.0 * EARTH_RADIUS_M * asin(min(1.0, sqrt(haversine)))


def _is_shifted(lon: float, lat: float) -> bool:
    return _SHIFTED_LON[0] <= lon <= _SHIFTED_LON[1] and _SHIFTED_LAT[0] <= lat <= _SHIFTED_LAT[1]


def _offset(x: float, y: float) -> LonLat:
    """The series of GCJ-02 in metres east and north, for degrees east of 105 E and north of 35 N."""
    root = sqrt(abs(x))
    shared = 20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (shared + _waves(x, (20.0, 1.0), (40.0, 3.0), (150.0, 12.0), (300.0, 30.0))) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (shared + _waves(y, (20.0, 1.0), (40.0, 3.0), (160.0, 12.0), (320.0, 30.0))) * 2.0 / 3.0
    return east, north


def _waves(value: float, *waves: tuple[float, float]) -> float:
    return sum(amplitude * sin(value * pi / period) for amplitude, period in waves)


def _inverse(forward: Callable[[float, float], LonLat], lon: float, lat: float) -> LonLat:
    """The point that `forward` takes to (lon, lat): fixed-point iteration, since the shift varies slowly."""
    guess_lon, guess_lat = lon, lat
    for _ in range(_INVERSE_STEPS):
        reached_lon, reached_lat = forward(guess_lon, guess_lat)
        step_lon, step_lat = lon - reached_lon, lat - reached_lat
        guess_lon, guess_lat = guess_lon + step_lon, guess_lat + step_lat
        if max(abs(step_lon), abs(step_lat)) < _INVERSE_TOLERANCE_DEG:
            break
    return guess_lon, guess_lat
