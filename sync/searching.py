"""What an item is found by.

Its clear text gives pairs of neighbouring characters: two Chinese characters are a word, for which a trigram index
would have nothing. Its marked values give facts (`phone` and a number, `surname` and a community and a surname), which
whoever stores them replaces by a blind index; no part of a marked value is found by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple
from unicodedata import normalize

from schemas.forms import CompiledType
from schemas.item_type import NAMES_OF_PEOPLE, DuplicateKey, Field
from sync.surnames import surnames

SHORTEST_TEXT = 2
"""Characters of a word that can be looked for."""

RESIDENT = "0101"
_COUNTRY = "86"
_MOBILE_DIGITS = 11

Normal = Callable[[str], str]


class Plan(NamedTuple):
    """What of a form is found by what.

    `exact`: (beginning of the fact, key, normal form). `strong`: the duplicate keys that make two items the same.
    `named`: the key of a resident's name, whose surname counts too.
    """

    code: str
    clear: tuple[str, ...]
    exact: tuple[tuple[str, str, Normal], ...]
    duplicates: tuple[tuple[str, ...], ...]
    strong: tuple[DuplicateKey, ...]
    named: str


@cache
def plan_of(compiled: CompiledType) -> Plan:
    """What items of this type are found by."""
    fields = compiled.type.fields
    exact = tuple((f"{kind[0]}\0", one.key, kind[1]) for one in fields if (kind := _exact_kind(one)) is not None)
    alone = {key for _, key, _ in exact}
    return Plan(
        code=compiled.code,
        clear=tuple(one.key for one in fields if one.type == "text" and one.sensitivity == "none"),
        exact=exact,
        duplicates=tuple(one.keys for one in compiled.type.duplicate_keys if not alone.issuperset(one.keys)),
        strong=tuple(one for one in compiled.type.duplicate_keys if one.strength == "strong"),
        named="name" if compiled.code == RESIDENT else "",
    )


def words(text: str) -> list[str]:
    """The words of a text as they are compared: compatible forms made one, lower case, blanks only between them."""
    return normalize("NFKC", text).lower().split()


def pairs(text: str) -> set[str]:
    """All pairs of neighbouring characters, none across a blank."""
    return {word[place : place + 2] for word in words(text) for place in range(len(word) - 1)}


def clear_pairs(plan: Plan, fields: Mapping[str, Any]) -> set[str]:
    """The pairs of an item's text that nobody marked."""
    return pairs(" ".join([text for key in plan.clear if isinstance(text := fields.get(key), str)]))


def holds(plan: Plan, fields: Mapping[str, Any], asked: list[str]) -> bool:
    """Whether each of these words stands somewhere in an item's text that nobody marked."""
    texts = ["\n".join(words(text)) for key in plan.clear if isinstance(text := fields.get(key), str)]
    return all(any(word in text for text in texts) for word in asked)


def facts(plan: Plan, fields: Mapping[str, Any], community: str | None) -> list[str]:
    """What its values say, each in one text that is equal for equal values; `community`: code of where it lies."""
    get = fields.get
    found: list[str] = []
    for kind, key, normal in plan.exact:
        if (value := get(key)) and (exact := normal(value)):
            found.append(kind + exact)
            if key == plan.named and community:
                for one in surnames(exact):
                    found.append(f"surname\0{community}\0{one}")
    for keys in plan.duplicates:
        if fact := _duplicate_fact(plan, keys, fields):
            found.append(fact)
    return found


def duplicate_facts(plan: Plan, key: DuplicateKey, fields: Mapping[str, Any]) -> list[str]:
    """The facts that items have in common which are the same by this key; none where one of its fields is empty.

    Values that are found by themselves need no fact of their own.
    """
    keys = key.keys
    if keys in plan.duplicates:
        fact = _duplicate_fact(plan, keys, fields)
        return [fact] if fact else []
    exact = {
        one: kind + normal(value) for kind, one, normal in plan.exact if one in keys and (value := fields.get(one))
    }
    return [exact[one] for one in keys] if len(exact) == len(keys) else []


def _duplicate_fact(plan: Plan, keys: tuple[str, ...], fields: Mapping[str, Any]) -> str:
    values = [compared(fields.get(key)) for key in keys]
    return "\0".join(("duplicate", plan.code, *keys, *values)) if all(values) else ""


def compared(value: object) -> str:
    """A value as duplicates are told by: trimmed, full width made half width, upper case; empty where there is none."""
    return normalize("NFKC", str(value)).strip().upper() if value is not None else ""


def exact_name(value: str) -> str:
    """A name or number without any blanks."""
    written = normalize("NFKC", value).upper()
    return written if written.isalnum() else "".join(written.split())


def exact_phone(value: str) -> str:
    """The digits of a telephone number, a mobile one without the country's code."""
    if len(value) == _MOBILE_DIGITS and value.isascii() and value.isdigit():
        return value
    digits = "".join(filter(str.isdigit, normalize("NFKC", value)))
    bare = digits.removeprefix("00").removeprefix(_COUNTRY)
    return bare if len(bare) == _MOBILE_DIGITS and bare[0] == "1" else digits


def phone_fact(phone: str) -> str:
    """What tells items that hold this telephone number."""
    return f"phone\0{exact_phone(phone)}"


def national_id_fact(number: str) -> str:
    """What tells items that hold this identity number."""
    return f"national_id\0{exact_name(number)}"


def name_fact(name: str) -> str:
    """What tells items that hold this name of a person."""
    return f"name\0{exact_name(name)}"


def plate_fact(plate: str) -> str:
    """What tells items that hold this vehicle plate."""
    return f"plate\0{exact_name(plate)}"


def surname_fact(community: str, surname: str) -> str:
    """What tells residents of a community (12-digit code) with this surname."""
    return f"surname\0{community}\0{exact_name(surname)}"


def _exact_kind(field: Field) -> tuple[str, Normal] | None:
    if field.sensitivity == "none":
        return None
    if field.type == "phone":
        return "phone", exact_phone
    if field.type == "national_id":
        return "national_id", exact_name
    if field.format == "plate":
        return "plate", exact_name
    return ("name", exact_name) if field.key in NAMES_OF_PEOPLE else None
