"""Who may see and do what, written by hand from the catalogue's words; nothing of this is taken from the program.

`audience_rules`, `part_time_rules` and the duties of `roles` say it in schemas/data/. The columns split two roles: the
`author` of things, and department handlers by what their department has to do with them.
"""

from __future__ import annotations

from tests.matrix.scene import Planted

ROLES: dict[str, tuple[str, str]] = {
    "grid_worker": ("网格员", "worker of the grid"),
    "author": ("报告人", "worker who wrote it"),
    "part_time_worker": ("动态网格员", "part-time worker"),
    "grid_chief": ("网格长", "grid chief"),
    "grid_adviser": ("网格指导员", "grid adviser"),
    "community": ("社区", "community office"),
    "street": ("街道", "street office"),
    "county_centre": ("县级网格中心", "county grid centre"),
    "city_centre": ("市级网格中心", "city grid centre"),
    "dispatcher": ("受理派遣员", "dispatcher of the street"),
    "handler_holding": ("部门处置员:承办", "handler whose office holds the case"),
    "handler_leading": ("部门处置员:牵头", "handler whose department leads the need-to-know type"),
    "handler_named": ("部门处置员:指定", "handler whose department its readers name"),
    "handler_other": ("部门处置员:其他", "handler of another department"),
    "administrator": ("系统管理员", "administrator of the county"),
    "security_administrator": ("安全管理员", "security administrator"),
    "auditor": ("审计员", "auditor"),
    "nobody": ("未登录", "nobody signed in"),
    "revoked": ("已停用设备", "revoked device"),
    "departed": ("已离职", "device of somebody who left"),
}
"""Columns of the matrix: code -> (Chinese, English)."""

IN_POST = frozenset(ROLES) - {"nobody", "revoked", "departed"}
_STREET_AND_COUNTY = (
    "street dispatcher handler_leading handler_other county_centre handler_holding handler_named administrator auditor"
)

AREAS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(ROLES, ("home",)),
    **dict.fromkeys(_STREET_AND_COUNTY.split(), ("home", "next")),
    # A part-time worker works in a county; a city's people are inside wherever they look.
    "part_time_worker": ("home", "next"),
    "city_centre": ("home", "next", "far"),
    "security_administrator": ("home", "next", "far"),
}
"""Where each role is inside: its grid, community, street, county or city."""

_TEAM = {"author", "grid_worker", "grid_chief", "grid_adviser"}
_OFFICES = {"community", "street", "county_centre", "city_centre"}
_OPEN = frozenset(_TEAM | _OFFICES | {"dispatcher"})
_SETTLING = frozenset(_OFFICES | {"grid_chief"})
_NEED_TO_KNOW = frozenset({"author", "grid_chief", "community", "street", "handler_leading", "handler_named"})

READERS: dict[str, frozenset[str]] = {
    "report": _OPEN,
    "approved": _OPEN,
    "own": _OPEN | {"part_time_worker"},
    "held": _OPEN | {"handler_holding"},
    "resident": _OPEN,
    "petition": _NEED_TO_KNOW,
    "asked": _NEED_TO_KNOW,
    "conflict": _SETTLING | {"author"},
    "upload": frozenset({"author"}),
    "person": frozenset({"administrator", "security_administrator", "community", "grid_chief"}),
    "device": frozenset({"administrator", "security_administrator", "community", "grid_chief"}),
    "grid": IN_POST,
    "office": IN_POST,
}
"""Kind of thing -> roles that see it inside their area; nobody sees it outside."""

CONTENT = frozenset({"report", "approved", "own", "held", "resident", "petition", "asked", "conflict", "upload"})
"""Kinds that no answer at all may show to who may not see them; the others are named beside what somebody may see."""

_ON_PHONES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("report", "approved", "held", "resident"), frozenset({"author", "grid_worker", "grid_chief"})),
    "own": frozenset({"author", "grid_worker", "grid_chief", "part_time_worker"}),
    **dict.fromkeys(("petition", "asked"), frozenset({"author", "grid_chief"})),
    "conflict": frozenset({"author"}),
}
_BROWSING = IN_POST - {"grid_worker", "author", "part_time_worker", "grid_adviser"}


def sees(role: str, thing: Planted) -> bool:
    """Whether a role may see this thing at all."""
    return role in READERS[thing.kind] and thing.place in AREAS[role]


def sees_case(role: str, thing: Planted) -> bool:
    """Whether a role sees its case; an office also that of an item it may not read, while it asks for a decision."""
    asked = thing.kind == "asked" and role in _OFFICES and thing.place in AREAS[role]
    return asked or sees(role, thing)


def syncs(role: str, thing: Planted) -> bool:
    """Whether it comes to the phone of this role: streams are for a grid's own team, everybody else works at desks."""
    return role in _ON_PHONES[thing.kind] and thing.place == "home"


def reviews(role: str, thing: Planted) -> bool:
    """Whether a first approval is asked of this role: the grid chief's, in his grids."""
    return role == "grid_chief" and thing.kind in ("report", "own", "petition", "asked") and thing.place == "home"


def approves_others(role: str, thing: Planted) -> bool:
    """Whether an approval was this role's own to take back."""
    return role == "grid_chief" and thing.kind == "approved"


def settles(role: str, thing: Planted) -> bool:
    """Whether this role settles conflicts about a resident: the grid chief and the offices above."""
    return role in _SETTLING and thing.place in AREAS[role]


def runs_the_desk(role: str, thing: Planted) -> bool:
    """Whether this role accepts and dispatches: the dispatcher, in the street."""
    return role == "dispatcher" and thing.place in AREAS[role]


def looks_after(role: str, thing: Planted) -> bool:
    """Whether a role looks up this person with his devices: the county's, the community's, the grid's own people."""
    return role in READERS["person"] and thing.place in AREAS[role]


def enrols(role: str, thing: Planted) -> bool:
    """Whether a role gives this person a device; a security administrator only takes devices away."""
    return role in READERS["person"] - {"security_administrator"} and thing.place in AREAS[role]


def browses(role: str, thing: Planted) -> bool:
    """Whether a role finds this grid at the console: offices and chiefs everywhere, others in their own area."""
    return role in _BROWSING or (role in IN_POST and thing.place in AREAS[role])
