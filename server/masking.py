"""What is shown of a personal value to someone who need not know it: enough to recognise, too little to use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.forms import CompiledType
from schemas.item_type import NAMES_OF_PEOPLE, Field

HIDDEN = "***"

_SHORTEST_PHONE = 9
_SHORTEST_NUMBER = 15
_LONGEST_TITLE = 40


def mask(field: Field, value: Any) -> Any:
    """A value of this field as it may be shown to anyone who may see the form.

    What is not marked stays. Of personal values the first 3 and last 4 characters of identity and telephone numbers
    are left, and the first character of names; anything else, and whatever is sensitive, is hidden altogether. That a
    value is empty is no secret.
    """
    if field.sensitivity == "none" or value is None:
        return value
    if not isinstance(value, str) or field.sensitivity == "sensitive":
        return HIDDEN
    if field.type == "national_id":
        return mask_number(value)
    if field.type == "phone":
        return mask_phone(value)
    if field.key in NAMES_OF_PEOPLE:
        return mask_name(value)
    return HIDDEN


def mask_all(compiled: CompiledType, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form, each masked; one that the form no longer has is hidden."""
    return {key: mask(field, value) if (field := compiled.fields.get(key)) else HIDDEN for key, value in fields.items()}


def masked_title(compiled: CompiledType, fields: Mapping[str, Any]) -> str:
    """What tells an item from others in a list: the first text of its form of which anything may be shown."""
    texts = (mask(field, fields.get(field.key)) for field in compiled.fields.values() if field.type == "text")
    return next((text[:_LONGEST_TITLE] for text in texts if text and text != HIDDEN), "")


def mask_number(number: str) -> str:
    """340***********001X; of a number too short to lose its middle nothing is left."""
    if len(number) < _SHORTEST_NUMBER:
        return HIDDEN
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}"


def mask_phone(phone: str) -> str:
    """138****1234"""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= _SHORTEST_PHONE else HIDDEN


def mask_name(name: str) -> str:
    """张*: the number of characters is not told either."""
    return f"{name[:1]}*" if name else name
