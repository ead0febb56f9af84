"""From a catalogue document to compiled forms, or to the list of all its faults."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from msgspec import DecodeError, convert, json

from schemas.catalogue import CURRENT, Catalogue, document, item_types
from schemas.forms.coherence import coherence_faults
from schemas.forms.compiled import CompiledType
from schemas.forms.structure import CatalogueFault, structural_faults


class CatalogueFaulty(Exception):
    """A catalogue that cannot be used; `faults` gives the place of each fault."""

    def __init__(self, faults: Sequence[CatalogueFault]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.en}" for fault in faults))
        self.faults = list(faults)


class CompiledCatalogue:
    """A sound catalogue: `version`, `document` as served, the `etag` of those bytes, `types` by code."""

    def __init__(self, document: bytes, source: Catalogue) -> None:
        self.document = document
        self.etag = etag(document)
        self.source = source
        self.version = source.catalogue_version
        self.types = {code: CompiledType(item) for code, item in item_types(source).items()}


def compile_catalogue(document: bytes) -> CompiledCatalogue:
    """Compile a document. Raises CatalogueFaulty with every fault that was found."""
    try:
        raw: object = json.decode(document)
    except (DecodeError, UnicodeError, RecursionError) as error:
        raise CatalogueFaulty([CatalogueFault("", "不是有效的JSON", f"This is not JSON: {error}")]) from error
    _refuse(list(structural_faults(raw, Catalogue)))
    source = convert(raw, Catalogue)
    _refuse(list(coherence_faults(source)))
    return CompiledCatalogue(document, source)


@cache
def packaged(version: str = CURRENT) -> CompiledCatalogue:
    """The packaged catalogue of a version, compiled once. Raises FileNotFoundError for an unknown version."""
    return compile_catalogue(document(version))


def etag(document: bytes) -> str:
    """A strong entity tag of these bytes."""
    return f'"{sha256(document).hexdigest()[:32]}"'


def _refuse(faults: list[CatalogueFault]) -> None:
    if faults:
        raise CatalogueFaulty(faults)
