"""A list of people to be taken in: read line by line, then checked as a whole.

Several lines of one telephone number are one person with several assignments. Nothing that a fault says repeats what
stood in the line.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime

from msgspec import Struct

from schemas.catalogue import Catalogue
from sync.access import Assignment
from sync.appointments import Fault, FaultCode, Ground, Post, appoint, is_in_sight, validity

COLUMNS = ("phone", "name", "role", "grid", "division", "department", "valid_from", "valid_to")
SURPLUS = ""
"""The name of the cells that a line has beyond the columns of its file."""

_PHONE = re.compile(r"1[3-9][0-9]{9}")
_DAY = re.compile(r"((?:19|20)[0-9]{2})[-/]([0-9]{1,2})[-/]([0-9]{1,2})")
_LONGEST_NAME = 50


class Line(Struct, frozen=True):
    """A line that can be read; without a post it only names a person."""

    row: int
    phone: str
    name: str
    post: Post | None


class BadLine(Struct, frozen=True):
    """A line that cannot be taken in, by its number in the file."""

    row: int
    fault: Fault


class Known(Struct, frozen=True):
    """Somebody who has one of the telephone numbers already, with all that he held or holds."""

    name: str
    assignments: tuple[Assignment, ...]
    is_appointer: bool = False


class Roster(Struct, frozen=True):
    """What is to be written: who is new, by telephone number, and everybody's new assignments."""

    names: dict[str, str]
    assignments: list[tuple[str, Assignment]]


def phone_fault(phone: str) -> Fault | None:
    """Whether this is no mobile number."""
    return None if _PHONE.fullmatch(phone) else Fault("phone_invalid", "phone")


def name_fault(name: str) -> Fault | None:
    """Whether this is no name: too long, blank, or with characters that cannot be seen."""
    good = bool(name.strip()) and len(name) <= _LONGEST_NAME and name.isprintable()
    return None if good else Fault("name_invalid", "name")


def read_day(text: str) -> date:
    """A day such as 2025-03-01 or 2025/3/1; raises ValueError."""
    matched = _DAY.fullmatch(text)
    if matched is None:
        raise ValueError("not a day")
    return date(*map(int, matched.groups()))


def read_line(row: int, cells: Mapping[str, str | None], now: datetime) -> Line | BadLine:
    """One line by its columns; those that are missing count as empty. With `SURPLUS` nobody knows which is which."""
    if SURPLUS in cells:
        return BadLine(row, Fault("line_cells"))
    read = {column: (cells.get(column) or "").strip() for column in COLUMNS}
    fault = phone_fault(read["phone"]) or name_fault(read["name"])
    if fault is not None:
        return BadLine(row, fault)
    if not any(read[column] for column in COLUMNS[2:]):
        return Line(row, read["phone"], read["name"], None)
    days: dict[str, date | None] = {}
    for column in ("valid_from", "valid_to"):
        try:
            days[column] = read_day(read[column]) if read[column] else None
        except ValueError:
            return BadLine(row, Fault("date_invalid", column))
    begins, ends = validity(days["valid_from"], days["valid_to"], now)
    post = Post(
        role=read["role"],
        grid=read["grid"] or None,
        division=read["division"] or None,
        department=read["department"] or None,
        valid_from=begins,
        valid_to=ends,
    )
    return Line(row, read["phone"], read["name"], post)


def check_roster(
    lines: Iterable[Line],
    known: Mapping[str, Known],
    appointer: Sequence[Assignment],
    ground: Ground,
    catalogue: Catalogue,
    now: datetime,
    step: Callable[[], None] = lambda: None,
) -> tuple[Roster, list[BadLine]]:
    """What the lines come to, and every line that cannot be. `step` is called once a line."""
    checking = _Checking(known, appointer, ground, catalogue, now)
    bad: list[BadLine] = []
    for line in lines:
        fault = checking.take(line)
        if fault is not None:
            bad.append(BadLine(line.row, fault))
        step()
    return checking.roster, bad


class _Checking:
    """The roster so far."""

    def __init__(
        self,
        known: Mapping[str, Known],
        appointer: Sequence[Assignment],
        ground: Ground,
        catalogue: Catalogue,
        now: datetime,
    ) -> None:
        self.roster = Roster({}, [])
        self._known, self._appointer, self._now = known, appointer, now
        self._ground, self._catalogue = ground, catalogue
        self._held: dict[str, list[Assignment]] = {phone: list(one.assignments) for phone, one in known.items()}

    def take(self, line: Line) -> Fault | None:
        code = self._person_fault(line)
        if code is not None:
            return Fault(code, "name" if code == "name_differs" else "phone")
        if line.phone not in self._known:
            self.roster.names[line.phone] = line.name
        if line.post is None:
            return None
        held = self._held.setdefault(line.phone, [])
        placed = appoint(line.post, held, self._appointer, self._ground, self._catalogue)
        if isinstance(placed, Fault):
            return placed
        held.append(placed)
        self.roster.assignments.append((line.phone, placed))
        return None

    def _person_fault(self, line: Line) -> FaultCode | None:
        known = self._known.get(line.phone)
        if known is None:
            return None if self.roster.names.get(line.phone, line.name) == line.name else "name_differs"
        if known.is_appointer:
            return "own_appointment"
        if not is_in_sight(self._appointer, known.assignments, self._now):
            return "phone_taken"
        return None if known.name == line.name else "name_differs"
