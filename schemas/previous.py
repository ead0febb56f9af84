"""Catalogues of the two previous versions, read only for what their change sets may hold."""

from functools import cache

from msgspec import Struct, json

from schemas.catalogue import document
from schemas.item_type import Field, Kind

PREVIOUS = ("2024.1",)
"""The versions before the current one whose change sets are still accepted, newest first."""


class PreviousType(Struct, frozen=True):
    """An item type as it was; rules of that time play no part any more."""

    code: str
    kind: Kind
    fields: tuple[Field, ...]


class PreviousCategory(Struct, frozen=True):
    """A category as it was."""

    code: str
    items: tuple[PreviousType, ...]


class PreviousCatalogue(Struct, frozen=True):
    """A previous version of the catalogue; attributes that no longer exist are passed over."""

    catalogue_version: str
    categories: tuple[PreviousCategory, ...]

    def types(self) -> dict[str, PreviousType]:
        """The item types by code."""
        return {item.code: item for category in self.categories for item in category.items}


@cache
def load_previous(version: str) -> PreviousCatalogue:
    """A packaged previous catalogue. Raises KeyError for a version that is no longer accepted."""
    if version not in PREVIOUS:
        raise KeyError(version)
    return json.decode(document(version), type=PreviousCatalogue)
