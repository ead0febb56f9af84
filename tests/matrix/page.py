"""docs/permissions.md: the matrix as it was found, with the words around it."""

from __future__ import annotations

from tests.matrix.bindings import Group
from tests.matrix.truth import AREAS, IN_POST, READERS, ROLES
from tests.matrix.walk import BINDINGS, OPEN, PUBLIC, SHOWN, WITHOUT, Report

_HEAD = f"""# Permissions 权限矩阵

Made by `python -m tests.matrix > docs/permissions.md`; a test compares it. Every route of the application is asked by
somebody in every role, for things that were planted at home, in the next community of the same street, and in another
county. What each sign says was found in the answers (or, for a deed, in the database) and is what the catalogue's words
allow; an answer that shows more than that, anywhere in it, fails the test.

- {SHOWN} shows, or does, what was asked for inside the role's area. Outside it nobody is shown anything; only
  the console's pages of the registry let offices, departments, administrators, auditors and grid chiefs look at all
  grids.
- {WITHOUT} answers without it: empty, refused, or nothing to do with items. Whoever may not know of a thing is told the
  same as if there were none. An office that may not read an item still sees its case, without what was written in it,
  while the case asks the offices above for a decision.
- {OPEN} open to everybody, and the same for everybody.

Values that the catalogue marks as personal or sensitive are masked, except in the exchange of a grid's own team, the
queue of who has to review, and the deeds called `reveal`, each with its reason on record. The console's page of an item
also shows personal values that name and number nobody, such as a remark: a report cannot be judged without them.
"""
_TITLES: dict[Group, str] = {
    "items": "Items 事项",
    "reviews": "Reviews 审核",
    "conflicts": "Conflicts 冲突",
    "cases": "Cases 案件",
    "photos": "Photos 照片",
    "phones": "Phones 手机",
    "people": "People and devices 人员与设备",
    "registry": "Registry 网格编码库",
    "account": "Own account 本人账号",
    "public": "Open to everybody 公开",
}
_KINDS = {
    "report": "event of the grid's team (0402) 网格可见事件",
    "own": "the same, written by the part-time worker 动态网格员上报",
    "held": "the same, its case held by a department 部门承办案件",
    "petition": "need-to-know event (0504) 限定可见事件",
    "resident": "record (0101) 台账",
    "conflict": "parked value of a conflict 冲突中的待定值",
    "person": "a person with his devices 人员及设备",
    "grid": "a grid, by `GET /v1/registry` 网格",
}
_PLACES = {
    ("home",): "own grid or community 本网格、本社区",
    ("home", "next"): "own street or county 本街道、本县",
    ("home", "next", "far"): "the city 全市",
}


def page(report: Report) -> str:
    """The page in Markdown."""
    parts = [_HEAD, _roles(), _readers(), *(_group(report, one) for one in _TITLES if one != "public"), _public()]
    return "\n".join([*parts, f"## Summary 汇总\n\n{report.summary}.\n"])


def _roles() -> str:
    lines = [f"| {number} | {zh} | {en} | {_area(code)} |" for number, code, zh, en in _columns()]
    return "\n".join(["## Roles 角色", "", "| | 角色 | role | area 范围 |", "|---|---|---|---|", *lines, ""])


def _area(code: str) -> str:
    return _PLACES[AREAS[code]] if code in IN_POST else "none 无"


def _readers() -> str:
    signs = [
        [words, *(SHOWN if code in READERS[kind] else WITHOUT for _, code, _, _ in _columns())]
        for kind, words in _KINDS.items()
    ]
    return "\n".join(["## Who sees what inside 范围内可见", "", *_table("what", signs), ""])


def _group(report: Report, group: Group) -> str:
    rows = [
        [f"`{one.route}`" + (f" {one.deed}" if one.deed else ""), *_signs(report, one.label)]
        for one in BINDINGS
        if one.group == group
    ]
    return "\n".join([f"## {_TITLES[group]}", "", *_table("route", rows), ""])


def _signs(report: Report, label: str) -> list[str]:
    return [report.signs[label, code] for _, code, _, _ in _columns()]


def _public() -> str:
    rows = [[f"`{route}`", *([OPEN] * len(ROLES))] for route in PUBLIC]
    return "\n".join([f"## {_TITLES['public']}", "", *_table("route", rows), ""])


def _table(first: str, rows: list[list[str]]) -> list[str]:
    heads = [first, *(str(number) for number, *_ in _columns())]
    return [f"| {' | '.join(one)} |" for one in (heads, ["---"] * len(heads), *rows)]


def _columns() -> list[tuple[int, str, str, str]]:
    return [(number, code, *words) for number, (code, words) in enumerate(ROLES.items(), 1)]
