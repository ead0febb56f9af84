"""A plan of registry changes as a file: YAML, whose every fault is told with its place and line.

Scalars are read as texts, whatever they look like, so that a code stays its digits; anchors are not taken, for a few
lines of them can stand for more than any machine holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import yaml
from msgspec import ValidationError, convert
from yaml.events import AliasEvent

from schemas.registry_change import VERBS, Operation, Verb
from server.usecases.registry_files import LARGEST_TABLE, read_drawing
from sync.registry_changes.checks import PlanLines
from sync.registry_faults import Fault, fault
from sync.registry_outlines import Given, Outline, UnfitOutline, converter, read_rings, to_outline

MOST_OPERATIONS: Final = 2_000

_KEYS: Final = frozenset({"registry", "outlines", "crs", "operations"})
_LISTED: Final = ", ".join(sorted(_KEYS))
_CRS: Final = ("wgs84", "cgcs2000", "gcj02", "bd09")
_SYSTEMS: Final = ", ".join(_CRS)
_MEGABYTES: Final = LARGEST_TABLE // 1024 // 1024
_AT: Final = re.compile(r"^(.*?)(?: - at `\$(.*)`)?$", re.DOTALL)
_EMPTY: Final = frozenset({"", "~", "null"})


class PlanFile(NamedTuple):
    """What a plan says: the registry version that it was made for, its operations, and the file of outlines.

    `operations` are those that could be read; with `faults` the plan is not to be used. `outlines`: the name of the
    file beside it, None where there is none.
    """

    registry: int
    operations: tuple[Operation, ...]
    outlines: str | None
    crs: Given | None
    lines: PlanLines
    faults: list[Fault]


class Outlines(NamedTuple):
    """The outlines of a plan by code, how they came where that was not WGS-84, and what is wrong with them."""

    outlines: dict[str, Outline]
    given: dict[str, dict[str, Any]]
    faults: list[Fault]


class _Unreadable(Exception):
    def __init__(self, line: int, zh: str, en: str) -> None:
        super().__init__(en)
        self.line = line
        self.zh, self.en = zh, en


def read_plan(raw: bytes) -> PlanFile:
    """A plan as its bytes have it; what is wrong with its form stands in its faults."""
    reader = _Reader()
    try:
        document = reader.document(raw)
    except _Unreadable as error:
        told = fault("plan_form", error.line, "", "plan", zh=error.zh, en=error.en)
        return PlanFile(0, (), None, None, PlanLines({}), [told])
    return reader.plan(document)


def read_outlines(raw: bytes | None, crs: Given | None) -> Outlines:
    """The outlines that a plan draws. Raises Problem: import_unreadable, for a file that is no drawing at all."""
    read = Outlines({}, {}, [])
    if raw is None:
        return read
    drawing = read_drawing(raw, crs, "outlines")
    convert_ = converter(drawing.crs)
    for code, geometries in drawing.geometries.items():
        try:
            if len(geometries) > 1:
                raise UnfitOutline("outline_duplicate")
            rings = read_rings(geometries[0])
            read.outlines[code] = to_outline(rings, convert_)
        except UnfitOutline as unfit:
            read.faults.append(fault(unfit.name, None, code, "outlines", **unfit.facts))
            continue
        if drawing.crs in ("gcj02", "bd09"):
            read.given[code] = {"crs": drawing.crs, "outline": rings}
    return read


class _Reader:
    """Turns nodes into plain values, and remembers at which line each place of the document is."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.faults: list[Fault] = []

    def document(self, raw: bytes) -> Any:
        """The whole document as mappings, lists and texts. Raises _Unreadable."""
        if len(raw) > LARGEST_TABLE:
            raise _Unreadable(1, f"超过 {_MEGABYTES} MB", f"it is over {_MEGABYTES} MB")
        try:
            node = _Composer(raw.decode("utf-8-sig")).get_single_node()
        except UnicodeDecodeError:
            raise _Unreadable(1, "文件不是 UTF-8 编码", "the file is not UTF-8") from None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise _Unreadable(line, *_no_yaml(error.problem)) from None
        except yaml.YAMLError:
            raise _Unreadable(1, *_no_yaml(None)) from None
        except RecursionError:
            raise _Unreadable(1, "嵌套过深", "it is nested too deeply") from None
        return self._value(node, "")

    def plan(self, document: Any) -> PlanFile:
        """The plan that a document holds, as far as it can be read."""
        if not isinstance(document, dict):
            self._fault("plan", "应写 registry、outlines、crs、operations", "write registry, outlines, crs, operations")
            document = {}
        for key in document.keys() - _KEYS:
            self._fault(key, f"不认识此键,可用:{_LISTED}", f"no such key; there are {_LISTED}")
        listed = document.get("operations")
        if not isinstance(listed, list) or not listed:
            self.faults.append(fault("plan_empty", self._line("operations"), ""))
            listed = []
        if len(listed) > MOST_OPERATIONS:
            self._fault("operations", f"超过 {MOST_OPERATIONS} 项", f"there are over {MOST_OPERATIONS}")
        read = [self._operation(one, f"operations[{at}]") for at, one in enumerate(listed[:MOST_OPERATIONS])]
        operations = tuple(one for one in read if one is not None)
        outlines = self._text(document, "outlines")
        lines = PlanLines(self.lines)
        registry, crs = self._registry(document), self._crs(document)
        self.faults.sort(key=lambda one: one.row or 0)
        return PlanFile(registry, operations, outlines, crs, lines, self.faults)

    def _operation(self, value: Any, place: str) -> Operation | None:
        verbs: list[Verb] = [verb for verb in VERBS if isinstance(value, dict) and verb in value]
        if len(verbs) != 1:
            self.faults.append(fault("plan_verb", self._line(place), "", place, verbs=", ".join(VERBS)))
            return None
        (verb,) = verbs
        if verb == "redraw" and isinstance(value[verb], str):
            value = value | {verb: [value[verb]]}
        try:
            return convert(value, VERBS[verb])
        except ValidationError as error:
            problem, inner = _AT.findall(str(error))[0]
            self._fault(f"{place}{inner}", f"不符合格式({problem})", problem)
            return None

    def _registry(self, document: Mapping[str, Any]) -> int:
        text = document.get("registry")
        if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 9:
            self._fault("registry", "请写所依据的编码库版本号", "write the number of the registry version it is for")
            return 0
        return int(text)

    def _crs(self, document: Mapping[str, Any]) -> Given | None:
        text = self._text(document, "crs")
        if text is not None and text not in _CRS:
            self._fault("crs", f"可用:{_SYSTEMS}", f"write one of {_SYSTEMS}")
            return None
        return convert(text, Given | None)

    def _text(self, document: Mapping[str, Any], key: str) -> str | None:
        value = document.get(key)
        if value is not None and not isinstance(value, str):
            self._fault(key, "应为一段文字", "write a text")
            return None
        return value

    def _value(self, node: yaml.Node | None, place: str) -> Any:
        if node is not None:
            self.lines[place] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(one, f"{place}[{at}]") for at, one in enumerate(node.value)]
        return node.value if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode, place: str) -> dict[str, Any]:
        """Its values; what is left empty counts as not written."""
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _Unreadable(key_node.start_mark.line + 1, "键须是文字", "a key is a text")
            key = str(key_node.value)
            inner = f"{place}.{key}" if place else key
            if key in values:
                self.lines[inner] = key_node.start_mark.line + 1
                self._fault(inner, "重复写了两次", "it is written twice")
            value = self._value(value_node, inner)
            if not (isinstance(value_node, yaml.ScalarNode) and value_node.style is None and value in _EMPTY):
                values[key] = value
        return values

    def _line(self, place: str) -> int | None:
        return PlanLines(self.lines).of(place)

    def _fault(self, place: str, zh: str, en: str) -> None:
        self.faults.append(fault("plan_form", self._line(place), "", place, zh=zh, en=en))


def _no_yaml(problem: str | None) -> tuple[str, str]:
    told = f" ({problem})" if problem else ""
    return f"不是有效的 YAML{told}", f"it is no valid YAML{told}"


class _Composer(yaml.BaseLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(AliasEvent):
            mark = self.peek_event().start_mark
            raise _Unreadable(mark.line + 1, "不接受锚点与引用,请写全", "anchors are not taken: write it out")
        return super().compose_node(parent, index)
