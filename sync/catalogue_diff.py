"""What a version of the catalogue changed against another, in words, and what that means for apps of the older one.

Documents are compared as they stand, for attributes that came later are absent from older ones. What a field no longer
takes is found as when old change sets are read (`schemas.previous`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from schemas.item_type import Field
from schemas.previous import PreviousCatalogue, PreviousType, narrowed, version_order

What = Literal["added", "removed", "renamed", "changed"]
Effect = Literal["none", "asked", "kept", "refused"]
"""For who still fills in the older forms: nothing; more is asked once that version is accepted no more; what the new
form does not take is kept beside it; what was written is refused."""

_APART = frozenset({"categories", "changes", "catalogue_version", "schema_version", "provenance"})
_NAMED_BY = ("code", "key")


class Difference(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that differs: in a part of the document or an item type, in a field of it, in an attribute of that."""

    what: What
    effect: Effect = "none"
    part: str | None = None
    type: str | None = None
    field: str | None = None
    attribute: str | None = None
    before: Any = None
    after: Any = None


class Version(Struct, frozen=True):
    """A document, read as it stands, and its types as far as older versions have them."""

    document: dict[str, Any]
    types: dict[str, PreviousType]

    @classmethod
    def of(cls, document: bytes) -> Version:
        """Raises msgspec.MsgspecError or UnicodeError for what is no catalogue."""
        raw = msgspec.json.decode(document, type=dict[str, Any])
        return cls(raw, msgspec.convert(raw, PreviousCatalogue).types())

    @property
    def name(self) -> str:
        """Its version."""
        return self.document["catalogue_version"]

    def items(self) -> dict[str, dict[str, Any]]:
        """The item types by code, as they stand."""
        return {item["code"]: item for category in self.document["categories"] for item in category["items"]}


def differences(old: Version, new: Version) -> list[Difference]:
    """Everything that differs, item types first, in the order of their codes."""
    return [*_types(old, new), *_parts(old.document, new.document)]


def breaking(found: Iterable[Difference]) -> list[Difference]:
    """Those that apps of the older version notice."""
    return [one for one in found if one.effect != "none"]


def _types(old: Version, new: Version) -> Iterator[Difference]:
    before, after = old.items(), new.items()
    for code in sorted(before.keys() | after.keys()):
        if code not in after:
            yield Difference(what="removed", effect="refused", type=code)
        elif code not in before:
            yield Difference(what="added", type=code)
        else:
            yield from _fields(code, old, new)
            yield from _attributes(before[code], after[code], frozenset({"fields", "code"}), type=code)


def _fields(code: str, old: Version, new: Version) -> Iterator[Difference]:
    renamed = _renamed(code, old, new)
    before = {renamed.get(one.key, one.key): one for one in old.types[code].fields}
    after = {one.key: one for one in new.types[code].fields}
    for key, field in after.items():
        if key not in before:
            yield Difference(what="added", effect="asked" if field.required else "none", type=code, field=key)
        elif before[key].key != key:
            yield Difference(what="renamed", type=code, field=key, before=before[key].key, after=key)
    for key, field in before.items():
        if key not in after:
            yield Difference(what="removed", effect="kept", type=code, field=key)
        else:
            yield from _field(code, key, field, after[key])


def _field(code: str, key: str, before: Field, after: Field) -> Iterator[Difference]:
    for attribute in Field.__struct_fields__:
        was, now = getattr(before, attribute), getattr(after, attribute)
        if attribute != "key" and was != now:
            yield Difference(
                what="changed",
                effect=_effect(before, after, attribute),
                type=code,
                field=key,
                attribute=attribute,
                before=msgspec.to_builtins(was),
                after=msgspec.to_builtins(now),
            )


def _effect(before: Field, after: Field, attribute: str) -> Effect:
    """What the change of this attribute alone means."""
    if attribute == "required":
        return "asked" if after.required else "none"
    alone = msgspec.structs.replace(before, **{attribute: getattr(after, attribute)})
    return "kept" if narrowed(before, alone) else "none"


def _renamed(code: str, old: Version, new: Version) -> dict[str, str]:
    """The keys of the older version by what they are called since."""
    since = version_order(old.name) or (0, 0)
    found: dict[str, str] = {}
    for change in sorted(new.document.get("changes", []), key=lambda one: version_order(one["in"]) or (0, 0)):
        if (version_order(change["in"]) or (0, 0)) <= since or code not in (
            change.get("item"),
            *change.get("items", []),
        ):
            continue
        for key, now in change.get("renamed", {}).items():
            first = next((was for was, became in found.items() if became == key), key)
            found[first] = now
    return found


def _parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for part in sorted((before.keys() | after.keys()) - _APART):
        if part not in before:
            yield Difference(what="added", part=part)
        elif part not in after:
            yield Difference(what="removed", part=part)
        elif before[part] != after[part]:
            yield from _attributes(_named(before[part]), _named(after[part]), frozenset(), part=part)


def _attributes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    apart: frozenset[str],
    *,
    type: str | None = None,
    part: str | None = None,
) -> Iterator[Difference]:
    for key in sorted((before.keys() | after.keys()) - apart):
        was, now = before.get(key), after.get(key)
        if was != now:
            what: What = "added" if key not in before else "removed" if key not in after else "changed"
            effect: Effect = "asked" if type and _asks_more(key, was, now) else "none"
            yield Difference(what=what, effect=effect, type=type, part=part, attribute=key, before=was, after=now)


def _asks_more(attribute: str, before: Any, after: Any) -> bool:
    """Whether an item type asks for more photos, or for one of several fields, than it did."""
    if attribute == "photo":
        return (after or {}).get("report_min", 0) > (before or {}).get("report_min", 0)
    return attribute == "require_any" and any(group not in (before or []) for group in after or [])


def _named(part: Any) -> dict[str, Any]:
    """A part of the document by the names of what it holds."""
    if isinstance(part, dict):
        return part
    if isinstance(part, list):
        keyed = {_name(one): one for one in part}
        if "" not in keyed and len(keyed) == len(part):
            return keyed
    return {"": part}


def _name(one: Any) -> str:
    return next((one[name] for name in _NAMED_BY if isinstance(one, dict) and name in one), "")
