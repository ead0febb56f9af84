"""Where a worker stands when he fills in a form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import cos, hypot, inf, radians
from random import Random
from typing import Any, Literal

from server.made_up.names import MINGGUANG, Locality
from server.made_up.photos import Photo, take_photo
from sync.coordinates import wgs84_to_bd09, wgs84_to_gcj02

Rings = Sequence[Sequence[tuple[float, float]]]
Camera = Callable[[Random, str, datetime, tuple[float, float]], Photo]
"""Takes a photo as `take_photo` does."""

_METRES_A_DEGREE = 111_320.0
_FROM_BORDER = 40.0
_TRIES = 24


class NothingToReferToError(LookupError):
    """The form needs a reference and the grid has no item of these types yet."""

    def __init__(self, codes: Sequence[str]) -> None:
        super().__init__(" | ".join(codes))
        self.codes = tuple(codes)


@dataclass
class Scene:
    """The worker's grid and moment. The caller keeps it up to date.

    `now`: aware, the time on the phone; `outline`: the grid's rings in WGS-84; `items`: ids of what the grid holds, by
    item type; `crs`: what this phone's map gives. `cared` fills with the persons who have a care record, `album` with
    the bytes of the photos that were taken, by `sha256-size`. `where`: what addresses are made of. `spot`: where he
    stands, WGS-84; anywhere in the grid if he walks about.
    """

    now: datetime
    outline: Rings
    items: Mapping[str, Sequence[str]]
    crs: Literal["wgs84", "gcj02", "bd09"] = "wgs84"
    cared: set[str] = field(default_factory=set)
    album: dict[str, bytes] = field(default_factory=dict)
    where: Locality = MINGGUANG
    camera: Camera = take_photo
    spot: tuple[float, float] | None = None

    def place(self, rng: Random) -> tuple[float, float]:
        """A point (WGS-84 lon, lat) inside the outline, away from its border where the grid is wide enough."""
        if self.spot is not None:
            return self.spot
        best, best_distance = self.outline[0][0], -inf
        for _ in range(_TRIES):
            point = self._anywhere(rng)
            distance = _border_distance(self.outline, point)
            if _is_inside(self.outline, point) and distance > best_distance:
                best, best_distance = point, distance
            if best_distance >= _FROM_BORDER:
                break
        return best

    def geo_point(self, rng: Random, at: tuple[float, float]) -> dict[str, Any]:
        """A geo_point of a form for this place, as the phone's map gives it."""
        shift = {"gcj02": wgs84_to_gcj02, "bd09": wgs84_to_bd09}.get(self.crs)
        lon, lat = shift(*at) if shift else at
        return {
            "lon": round(lon, 6),
            "lat": round(lat, 6),
            "crs": self.crs,
            "accuracy": round(rng.uniform(3, 25), 1),
            "provider": rng.choice(["gps", "gps", "fused", "network"]),
            "fixed_at": self.now.isoformat(timespec="seconds"),
        }

    def _anywhere(self, rng: Random) -> tuple[float, float]:
        lons, lats = zip(*self.outline[0], strict=True)
        return rng.uniform(min(lons), max(lons)), rng.uniform(min(lats), max(lats))


def _edges(rings: Rings) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    for ring in rings:
        yield from zip(ring, [*ring[1:], ring[0]], strict=True)


def _is_inside(rings: Rings, point: tuple[float, float]) -> bool:
    """Even-odd rule, so that holes count as outside."""
    x, y = point
    inside = False
    for (ax, ay), (bx, by) in _edges(rings):
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            inside = not inside
    return inside


def _border_distance(rings: Rings, point: tuple[float, float]) -> float:
    """Metres to the nearest edge, on a plane that is true enough for a city grid."""
    across = _METRES_A_DEGREE * cos(radians(point[1]))

    def flat(corner: tuple[float, float]) -> tuple[float, float]:
        return (corner[0] - point[0]) * across, (corner[1] - point[1]) * _METRES_A_DEGREE

    return min(_origin_distance(flat(a), flat(b)) for a, b in _edges(rings))


def _origin_distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    along = max(0.0, min(1.0, -(a[0] * dx + a[1] * dy) / length)) if length else 0.0
    return hypot(a[0] + along * dx, a[1] + along * dy)
