"""Words that a person gives with what he does."""

from __future__ import annotations

from server.errors import Problem

_LONGEST = 500


def checked_reason(reason: str | None) -> str:
    """A reason as it is kept; raises Problem: reason_needed, or parameter_invalid for one too long or unreadable."""
    told = (reason or "").strip()
    if not told:
        raise Problem("reason_needed", field="reason")
    if len(told) > _LONGEST or "\0" in told or _has_surrogate(told):
        raise Problem("parameter_invalid", field="reason")
    return told


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
