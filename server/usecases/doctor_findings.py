"""How a part of the installation is, in words."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

State = Literal["ok", "warning", "fault"]


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was found about one part; where it is not well, what to do next. `facts`: figures, never personal ones."""

    check: str
    state: State
    zh: str
    en: str
    do_zh: str | None = None
    do_en: str | None = None
    facts: dict[str, Any] = {}


class Examined(Struct, frozen=True):
    """Everything that was found, and the worst of it."""

    state: State
    findings: list[Finding]


def ok(check: str, zh: str, en: str, **facts: Any) -> Finding:
    """Nothing is to be done."""
    return Finding(check=check, state="ok", zh=zh, en=en, facts=facts)


def warning(check: str, zh: str, en: str, do_zh: str, do_en: str, **facts: Any) -> Finding:
    """It works, and somebody should look at it."""
    return Finding(check=check, state="warning", zh=zh, en=en, do_zh=do_zh, do_en=do_en, facts=facts)


def fault(check: str, zh: str, en: str, do_zh: str, do_en: str, **facts: Any) -> Finding:
    """Something does not work, or will be lost."""
    return Finding(check=check, state="fault", zh=zh, en=en, do_zh=do_zh, do_en=do_en, facts=facts)
