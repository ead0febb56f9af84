"""The names that a catalogue defines, and the faults of using others."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from schemas.catalogue import Catalogue, ItemType, item_types
from schemas.forms.structure import CatalogueFault

_KINDS: Mapping[str, str] = {
    "department": "部门",
    "urgency": "紧急程度",
    "reader": "读者",
    "tier": "层级",
    "calendar": "日历",
    "role": "角色",
    "merged system": "归并系统",
    "item type": "事项",
    "field": "字段",
    "option": "选项",
    "format": "格式",
}


class Coded(Protocol):
    """A part of the catalogue that has a code."""

    @property
    def code(self) -> str:
        """Its code, unique among its like."""
        ...


class Names:
    """What a catalogue defines, by kind of name."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.items: dict[str, ItemType] = item_types(catalogue)
        self.departments = _codes(catalogue.departments)
        self.urgencies = _codes(catalogue.urgency_levels)
        self.tiers = _codes(catalogue.tiers)
        self.roles = _codes(catalogue.roles)
        self.systems = _codes(catalogue.merged_systems)
        self.calendars = frozenset(catalogue.calendars)
        self.formats = frozenset(catalogue.formats)
        named = {f"department:{code}" for code in self.departments}
        self.readers = _codes(catalogue.audience_readers) - {"department:<code>"} | named


def unknown(kind: str, known: Iterable[str], used: Mapping[str, str]) -> Iterator[CatalogueFault]:
    """A fault for each name in `used` (path -> name) that is not known."""
    for path, name in used.items():
        if name not in known:
            yield CatalogueFault(path, f"没有{_KINDS[kind]}“{name}”", f"There is no {kind} “{name}”")


def each(path: str, names: Iterable[str]) -> dict[str, str]:
    """Names of a list by their path."""
    return {f"{path}[{place}]": name for place, name in enumerate(names)}


def repeated(used: Mapping[str, str]) -> Iterator[CatalogueFault]:
    """A fault for each place (path -> name) whose name stands in another place too."""
    times = Counter(used.values())
    for path, name in used.items():
        if times[name] > 1:
            yield CatalogueFault(path, f"“{name}”重复", f"“{name}” stands here more than once")


def code_places(path: str, parts: Sequence[Coded]) -> dict[str, str]:
    """The codes of a list of parts by their path."""
    return {f"{path}[{place}].code": part.code for place, part in enumerate(parts)}


def missing_urgencies(path: str, urgencies: Iterable[str], given: Mapping[str, object]) -> Iterator[CatalogueFault]:
    """A fault for each urgency that a table by urgency lacks."""
    for urgency in urgencies:
        if urgency not in given:
            yield CatalogueFault(path, f"缺少“{urgency}”的值", f"The value for “{urgency}” is missing")


def _codes(parts: Iterable[Coded]) -> frozenset[str]:
    return frozenset(part.code for part in parts)
