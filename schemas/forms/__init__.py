"""Forms: a catalogue document compiled to types that check what phones send, at C speed.

The forms of values on the wire are protocol; `schemas.forms.values` writes them down.
"""

from schemas.forms.compile import CatalogueFaulty, CompiledCatalogue, compile_catalogue, packaged
from schemas.forms.compiled import CompiledType
from schemas.forms.faults import FAULT_TEXTS, Fault
from schemas.forms.localised import Localised, localised
from schemas.forms.structure import CatalogueFault
from schemas.forms.values import GeoPoint, Photo, filled

__all__ = [
    "FAULT_TEXTS",
    "CatalogueFault",
    "CatalogueFaulty",
    "CompiledCatalogue",
    "CompiledType",
    "Fault",
    "GeoPoint",
    "Localised",
    "Photo",
    "compile_catalogue",
    "filled",
    "localised",
    "packaged",
]
