"""Reads what an app of a previous catalogue version wrote as one of the current version would have written it.

Names and options that were renamed are told by their new ones. A value that the current form does not take moves to
the field that keeps it; nothing is dropped, and what neither form ever took is left for the current one to refuse.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace

from schemas.catalogue import CatalogueChange as Step
from schemas.forms import CompiledCatalogue, CompiledType
from schemas.previous import Passage, version_order
from schemas.wire import Change
from sync.items import Fields


def version_refusal(
    version: str, catalogue: CompiledCatalogue
) -> Literal["catalogue_too_old", "catalogue_unknown"] | None:
    """Why sets of this version are kept and not applied; None for the current and the previous versions."""
    if version in catalogue.accepted:
        return None
    written, current = version_order(version), version_order(catalogue.version)
    is_older = written is not None and current is not None and written < current
    return "catalogue_too_old" if is_older else "catalogue_unknown"


def upcast(change: Change, version: str, catalogue: CompiledCatalogue) -> Change:
    """The change in the words of the current version; itself where nothing of its type has changed."""
    ways = catalogue.passages.get(version)
    way = ways.get(change.type) if ways else None
    if way is None or not change.fields:
        return change
    form, fields = catalogue.types[change.type], change.fields
    for step in way.steps:
        fields = {step.renamed.get(key, key): _recoded(step, key, value) for key, value in fields.items()}
    taken: Fields = {}
    for key, value in fields.items():
        taken |= _placed(form, way, key, value)
    return replace(change, fields=taken)


def _recoded(step: Step, key: str, value: Any) -> Any:
    options = step.recoded.get(step.renamed.get(key, key))
    if options is None:
        return value
    if isinstance(value, list):
        return [options.get(one, one) if isinstance(one, str) else one for one in value]
    return options.get(value, value) if isinstance(value, str) else value


def _placed(form: CompiledType, way: Passage, key: str, value: Any) -> Fields:
    """A value in its field or in the one that keeps it; whoever clears the old field clears both.

    Of several options those that there still are stand in both.
    """
    kept = way.kept[key].key if key in way.kept else key
    if value is None:
        return dict.fromkeys((key, kept) if key in form.fields else (kept,))
    if kept == key or _takes(form, key, value) or not _takes(form, kept, value):
        return {key: value}
    options = [one for one in value if _takes(form, key, [one])] if isinstance(value, list) else []
    return {key: options, kept: value} if options else {kept: value}


def _takes(form: CompiledType, key: str, value: Any) -> bool:
    return not form.check_change(form.normalise({key: value}))
