"""Whether the parts of a well-formed catalogue fit each other: every name that is used is one that exists."""

import re
from collections.abc import Iterator
from datetime import date

from schemas.catalogue import Calendar, Catalogue, HolidayYear, item_types
from schemas.forms.item_coherence import item_faults
from schemas.forms.names import Names, code_places, each, missing_urgencies, repeated, unknown
from schemas.forms.structure import CatalogueFault
from schemas.forms.values import KNOWN_FORMATS

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def coherence_faults(catalogue: Catalogue) -> Iterator[CatalogueFault]:
    """Every place where the catalogue contradicts itself."""
    names = Names(catalogue)
    yield from _repeated_codes(catalogue)
    yield from _deadline_faults(catalogue, names)
    yield from _department_faults(catalogue, names)
    yield from _role_faults(catalogue, names)
    yield from _format_faults(catalogue)
    yield from _renaming_faults(catalogue)
    for code, calendar in catalogue.calendars.items():
        yield from _calendar_faults(calendar, f"calendars.{code}")
    for year, holidays in catalogue.public_holidays.years.items():
        yield from _holiday_faults(year, holidays, f"public_holidays.years.{year}")
    for number, category in enumerate(catalogue.categories):
        for place, item in enumerate(category.items):
            yield from item_faults(item, names, f"categories[{number}].items[{place}]")


def _repeated_codes(catalogue: Catalogue) -> Iterator[CatalogueFault]:
    items: dict[str, str] = {}
    for place, category in enumerate(catalogue.categories):
        items |= code_places(f"categories[{place}].items", category.items)
    lists = [
        code_places("urgency_levels", catalogue.urgency_levels),
        code_places("departments", catalogue.departments),
        code_places("audience_readers", catalogue.audience_readers),
        code_places("tiers", catalogue.tiers),
        code_places("roles", catalogue.roles),
        code_places("merged_systems", catalogue.merged_systems),
        code_places("return_reasons", catalogue.return_reasons),
        code_places("case_exits", catalogue.case_exits),
        code_places("categories", catalogue.categories),
        items,
    ]
    for codes in lists:
        yield from repeated(codes)


def _deadline_faults(catalogue: Catalogue, names: Names) -> Iterator[CatalogueFault]:
    rules = catalogue.deadline_rules
    yield from unknown("calendar", names.calendars, {"deadline_rules.accept_calendar": rules.accept_calendar})
    yield from missing_urgencies("deadline_rules.accept_hours", names.urgencies, rules.accept_hours)
    yield from missing_urgencies("review_rules.order", names.urgencies, catalogue.review_rules.order)
    for place, change in enumerate(catalogue.changes):
        yield from unknown("item type", names.items, each(f"changes[{place}].items", change.items))
        if change.item is not None:
            yield from unknown("item type", names.items, {f"changes[{place}].item": change.item})


def _renaming_faults(catalogue: Catalogue) -> Iterator[CatalogueFault]:
    """What was renamed last bears its new name now: an earlier name may have been renamed again since."""
    fields = {code: {field.key for field in item.fields} for code, item in item_types(catalogue).items()}
    again = {old for change in catalogue.changes for old in change.renamed}
    for place, change in enumerate(catalogue.changes):
        keys = sorted(({*change.renamed.values()} | {*change.recoded}) - again)
        for code in (change.item, *change.items):
            if code in fields:
                yield from unknown("field", fields[code], each(f"changes[{place}].renamed", keys))


def _department_faults(catalogue: Catalogue, names: Names) -> Iterator[CatalogueFault]:
    for place, department in enumerate(catalogue.departments):
        path = f"departments[{place}]"
        yield from unknown("calendar", names.calendars, {f"{path}.calendar": department.calendar})
        yield from unknown("tier", names.tiers, each(f"{path}.tiers", department.tiers))
        if department.merged_system is not None:
            yield from unknown("merged system", names.systems, {f"{path}.merged_system": department.merged_system})
    for place, system in enumerate(catalogue.merged_systems):
        path = f"merged_systems[{place}]"
        yield from unknown("department", names.departments, {f"{path}.department": system.department})
        yield from unknown("department", names.departments, each(f"{path}.also", system.also))


def _role_faults(catalogue: Catalogue, names: Names) -> Iterator[CatalogueFault]:
    for place, role in enumerate(catalogue.roles):
        yield from unknown("tier", names.tiers, each(f"roles[{place}].tiers", role.tiers))
    for place, way_out in enumerate(catalogue.case_exits):
        path = f"case_exits[{place}]"
        yield from repeated(code_places(f"{path}.reasons", way_out.reasons))
        yield from unknown("role", names.roles, each(f"{path}.by", way_out.by))
        yield from unknown("role", names.roles, each(f"{path}.approved_by", way_out.approved_by or ()))


def _format_faults(catalogue: Catalogue) -> Iterator[CatalogueFault]:
    for code in catalogue.formats:
        if code not in KNOWN_FORMATS:
            yield CatalogueFault(f"formats.{code}", "程序不认识这种格式", "The program does not know this format")


def _calendar_faults(calendar: Calendar, path: str) -> Iterator[CatalogueFault]:
    days = calendar.weekdays
    if not days or not set(days) <= set(range(1, 8)) or len(set(days)) != len(days):
        yield CatalogueFault(f"{path}.weekdays", "应为1至7,不重复", "Days are 1 to 7, each once")
    ended = ""
    for place, (begin, end) in enumerate(calendar.hours):
        if not (_TIME.fullmatch(begin) and _TIME.fullmatch(end) and ended <= begin < end):
            yield CatalogueFault(
                f"{path}.hours[{place}]",
                "应为先后排列、互不重叠的HH:MM时段",
                "Spans are HH:MM, in order, without overlap",
            )
        ended = end
    if not calendar.hours:
        yield CatalogueFault(f"{path}.hours", "至少要有一个时段", "At least one span is needed")


def _holiday_faults(year: str, holidays: HolidayYear, path: str) -> Iterator[CatalogueFault]:
    days = each(f"{path}.days_off", holidays.days_off)
    days |= each(f"{path}.shifted_workdays", holidays.shifted_workdays)
    for place, day in days.items():
        if not _is_day_of(year, day):
            yield CatalogueFault(place, "不是该年的日期", "This is no day of the year")
    yield from repeated(days)


def _is_day_of(year: str, day: str) -> bool:
    try:
        return date.fromisoformat(day).isoformat() == day and day.startswith(f"{year}-")
    except ValueError:
        return False
