"""Later edits of a form: a few fields change as they would after a second visit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any

from schemas.forms import packaged
from schemas.item_type import Field
from server.made_up.forms.agreement import settle
from server.made_up.forms.habits import habits, phrases, write
from server.made_up.forms.making import draw
from server.made_up.names import MINGGUANG, Locality

_DRAWS = 12
_LONG_TEXT = 300
_NEARBY = (-2, -1, 1, 2, 3)
_DONE_FOR_GOOD = frozenset(
    {"asked_to_stop", "called_110", "evacuated", "guarded", "persuaded", "shut_off", "told_landlord"}
)


def editable(item_type: str) -> tuple[str, ...]:
    """The fields that are changed later."""
    return tuple(habits()[item_type].edits)


def edit_fields(
    item_type: str,
    fields: Mapping[str, Any],
    rng: Random,
    keys: Collection[str] | None = None,
    where: Locality = MINGGUANG,
) -> dict[str, Any]:
    """New values for one or two fields of an item, each other than before; the whole stays valid.

    `keys`: only these may change. Empty where none of them can.
    """
    allowed = [key for key in editable(item_type) if keys is None or key in keys]
    rng.shuffle(allowed)
    wanted = rng.choice((1, 1, 2))
    edit: dict[str, Any] = {}
    for key in allowed:
        if len(edit) < wanted:
            edit |= _edit_one(item_type, key, {**fields, **edit}, rng, where)
    return edit


def _edit_one(item_type: str, key: str, fields: dict[str, Any], rng: Random, where: Locality) -> dict[str, Any]:
    """A new value for this field and for what must agree with it; empty where none was found."""
    field = packaged().types[item_type].fields[key]
    for _ in range(_DRAWS):
        value = _new_value(item_type, field, fields, rng, where)
        after = {**fields, key: value}
        settle(item_type, after)
        if value is not None and after[key] == value != fields.get(key):
            return {name: after[name] for name in after if after[name] != fields.get(name)}
    return {}


def _new_value(item_type: str, field: Field, fields: dict[str, Any], rng: Random, where: Locality) -> Any:
    old = fields.get(field.key)
    if field.key in _DONE_FOR_GOOD and old is True:
        return None
    if field.type == "date":
        return _later(old, rng) if isinstance(old, str) else None
    if field.type == "integer" and isinstance(old, int):
        return int(max(field.min or 0, min(field.max or old, old + rng.choice(_NEARBY))))
    if field.type == "text" and isinstance(old, str) and (field.max_length or 0) >= _LONG_TEXT:
        more = old + write(rng.choice(phrases().followups), rng, where)
        if len(more) <= (field.max_length or 0):
            return more
    return draw(field, habits()[item_type], fields, rng, where)


def _later(old: str, rng: Random) -> str:
    return (date.fromisoformat(old) + timedelta(days=rng.randint(1, 30))).isoformat()
