"""From a catalogue document to compiled forms, or to the list of all its faults."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cache
from hashlib import sha256
from itertools import islice

from msgspec import DecodeError, convert, json

from schemas.catalogue import CURRENT, Catalogue, document, item_types
from schemas.forms.coherence import coherence_faults
from schemas.forms.compiled import CompiledType
from schemas.forms.structure import CatalogueFault, structural_faults
from schemas.item_type import ItemType
from schemas.previous import (
    ACCEPTED,
    PREVIOUS,
    Passage,
    PreviousCatalogue,
    as_written,
    load_previous,
    passage,
    with_kept,
)


class CatalogueFaulty(Exception):
    """A catalogue that cannot be used; `faults` gives the place of each fault."""

    def __init__(self, faults: Sequence[CatalogueFault]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.en}" for fault in faults))
        self.faults = list(faults)


class CompiledCatalogue:
    """A sound catalogue: `version`, `document` as served, the `etag` of those bytes, `types` by code.

    `referred`: the types that a field of some form may point to.
    `passages`: by previous version, newest first, and type, how its fields become those of today; `accepted`: the
    versions of which change sets are taken.
    """

    def __init__(self, document: bytes, source: Catalogue, previous: Sequence[PreviousCatalogue] = ()) -> None:
        self.document = document
        self.etag = etag(document)
        self.source = source
        self.version = source.catalogue_version
        self.passages = {one.catalogue_version: _passages(source, one) for one in previous}
        self.accepted = frozenset({self.version, *islice(self.passages, ACCEPTED)})
        self._items = {code: with_kept(item, self._ways(code)) for code, item in item_types(source).items()}
        self.types = {code: CompiledType(item) for code, item in self._items.items()}
        self.referred = frozenset(
            code for one in self.types.values() for codes in one.reference_fields.values() for code in codes
        )
        self._written: dict[str, CompiledCatalogue] = {}

    def as_written(self, version: str) -> CompiledCatalogue:
        """These forms as an app of that version may fill them in; itself for any but the accepted previous versions."""
        if version not in self.accepted or version == self.version:
            return self
        if version not in self._written:
            lenient = self._written[version] = copy(self)
            ways = self.passages[version]
            items = {code: as_written(one, ways[code]) if code in ways else one for code, one in self._items.items()}
            lenient.types = {code: CompiledType(item) for code, item in items.items()}
        return self._written[version]

    def _ways(self, code: str) -> dict[str, Passage]:
        return {version: ways[code] for version, ways in self.passages.items() if code in ways}


def _passages(source: Catalogue, previous: PreviousCatalogue) -> dict[str, Passage]:
    before, version = previous.types(), previous.catalogue_version
    items: dict[str, ItemType] = item_types(source)
    return {code: passage(items[code], one, version, source) for code, one in before.items() if code in items}


def compile_catalogue(document: bytes, previous: Sequence[PreviousCatalogue] = ()) -> CompiledCatalogue:
    """Compile a document, and the ways to it from previous ones. Raises CatalogueFaulty with every fault found."""
    try:
        raw: object = json.decode(document)
    except (DecodeError, UnicodeError, RecursionError) as error:
        raise CatalogueFaulty([CatalogueFault("", "不是有效的JSON", f"This is not JSON: {error}")]) from error
    _refuse(list(structural_faults(raw, Catalogue)))
    source = convert(raw, Catalogue)
    _refuse(list(coherence_faults(source)))
    return CompiledCatalogue(document, source, previous)


@cache
def packaged(version: str = CURRENT) -> CompiledCatalogue:
    """The packaged catalogue of a version, compiled once. Raises FileNotFoundError for an unknown version."""
    previous = [load_previous(one) for one in PREVIOUS] if version == CURRENT else []
    return compile_catalogue(document(version), previous)


def etag(document: bytes) -> str:
    """A strong entity tag of these bytes."""
    return f'"{sha256(document).hexdigest()[:32]}"'


def _refuse(faults: list[CatalogueFault]) -> None:
    if faults:
        raise CatalogueFaulty(faults)
