"""Forms filled in as a grid worker would: all item types, valid under the packaged catalogue, in believable Chinese."""

from server.made_up.forms.editing import edit_fields, editable
from server.made_up.forms.making import claimed_urgency, make_fields, missing_references
from server.made_up.forms.scene import NothingToReferToError, Scene

__all__ = [
    "NothingToReferToError",
    "Scene",
    "claimed_urgency",
    "edit_fields",
    "editable",
    "make_fields",
    "missing_references",
]
