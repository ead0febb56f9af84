"""Times as people at a desk read them: Beijing time, and how long ago or how long still."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from server.console.words import Language, text

BEIJING = ZoneInfo("Asia/Shanghai")


def shown(language: Language, at: datetime) -> str:
    """2026年3月5日 09:30, or 5 Mar 2026, 09:30."""
    local = at.astimezone(BEIJING)
    return f"{day(language, local.date())}{' ' if language == 'zh' else ', '}{local:%H:%M}"


def brief(language: Language, at: datetime) -> str:
    """3月5日 09:30, or 5 Mar, 09:30: for lists, whose entries are of these days."""
    local = at.astimezone(BEIJING)
    if language == "zh":
        return f"{local.month}月{local.day}日 {local:%H:%M}"
    return f"{local.day} {_MONTHS[local.month - 1]}, {local:%H:%M}"


def day(language: Language, when: date) -> str:
    """2026年3月5日, or 5 Mar 2026."""
    if language == "zh":
        return f"{when.year}年{when.month}月{when.day}日"
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def span(language: Language, length: timedelta) -> str:
    """A length of time in its largest whole unit."""
    minutes = int(abs(length).total_seconds()) // 60
    if minutes < 60:
        return text(language, "time.minutes", n=minutes)
    if minutes < 48 * 60:
        return text(language, "time.hours", n=minutes // 60)
    return text(language, "time.days", n=minutes // (24 * 60))


def since(language: Language, at: datetime, now: datetime) -> str:
    """How long something has been waiting."""
    if now - at < timedelta(minutes=1):
        return text(language, "time.just_now")
    return span(language, now - at)


def until(language: Language, due: datetime, now: datetime) -> str:
    """How long is left, or by how much it is overdue."""
    key = "time.left" if due >= now else "time.over"
    return text(language, key, span=span(language, due - now))


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
