"""The photos by which a step of a case is judged: those that are tied to its item, and those that its set brings."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, ValidationError, convert

from schemas.evidence import PhotoRef

Photo = tuple[str, int]
"""A photo by the SHA-256 (hexadecimal) and the number of its bytes."""


class CasePhotos(Struct, frozen=True):
    """What is known of them.

    `verified`: of all that are tied to the item or named by the set. `tied`: from after the work, whatever round of the
    case they were tied in. `present`: those of `tied` that are verified and were tied in the present one.
    """

    verified: frozenset[Photo] = frozenset()
    tied: frozenset[Photo] = frozenset()
    present: frozenset[Photo] = frozenset()

    def of_report(self, listed: Iterable[Mapping[str, Any]]) -> int:
        """How many verified photos of the report a form names; `listed`: {sha256, size, role}."""
        return len(self.verified & _with_role(listed, "report"))

    def of_work(self, listed: Iterable[Mapping[str, Any]]) -> int:
        """How many verified photos from after the work count once those that a form names are tied to the item."""
        return len(self.present | (self.verified & _with_role(listed, "close")) - self.tied)


def photos_named(value: object) -> set[Photo]:
    """The photos that a field of a change names; none where its form is wrong, which is told where it is decided."""
    try:
        return {(one.sha256, one.size) for one in convert(value, list[PhotoRef])}
    except ValidationError:
        return set()


def _with_role(listed: Iterable[Mapping[str, Any]], role: str) -> set[Photo]:
    return {(one["sha256"], one["size"]) for one in listed if one["role"] == role}
