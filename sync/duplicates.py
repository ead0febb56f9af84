"""What tells that two items are the same thing: the values of a strong duplicate key of their type.

A weak key is a hint to a person and claims nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.forms import CompiledType
from sync.searching import duplicate_facts, plan_of


class Sameness(NamedTuple):
    """The fields of a key, and one text that is equal for items that are the same by it."""

    fields: tuple[str, ...]
    fact: str


def samenesses(compiled: CompiledType, fields: Mapping[str, Any]) -> list[Sameness]:
    """What an item with these fields claims to be the only one of; nothing where a field of the key is empty."""
    plan = plan_of(compiled)
    found: list[Sameness] = []
    for key in plan.strong:
        if facts := duplicate_facts(plan, key, fields):
            found.append(Sameness(key.keys, "\0".join((compiled.code, *key.keys, *facts))))
    return found
