"""The catalogue in one language, for clients that show only one."""

from functools import lru_cache
from typing import Any, Literal

from msgspec import Struct, json

from schemas.forms.compile import CompiledCatalogue, etag

Language = Literal["zh", "en"]


class Localised(Struct, frozen=True):
    """A document in one language, and the entity tag of its bytes."""

    document: bytes
    etag: str


@lru_cache(maxsize=8)
def localised(catalogue: CompiledCatalogue, language: Language) -> Localised:
    """The catalogue with `label_zh` and `label_en` as `label`, `name_zh` and `name_en` as `name`, and so on.

    Where an object has `zh` and `en` themselves, they become `label` for an option and `name` for all else.
    Text that exists in one language only stays in it.
    """
    document = json.encode(_reduced(json.decode(catalogue.document), language))
    return Localised(document, etag(document))


def _reduced(part: Any, language: Language) -> Any:
    if isinstance(part, list):
        return [_reduced(member, language) for member in part]
    if not isinstance(part, dict):
        return part
    reduced: dict[str, Any] = {}
    for key, value in part.items():
        name = _reduced_key(key, part)
        if name == key:
            reduced[key] = _reduced(value, language)
        elif name not in reduced or key.endswith(language):
            reduced[name] = value
    return reduced


def _reduced_key(key: str, owner: dict[str, Any]) -> str:
    if key in ("zh", "en"):
        return "label" if "value" in owner else "name"
    return key[:-3] if key.endswith(("_zh", "_en")) else key
