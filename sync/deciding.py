"""The records with which one change is decided: its turn, a creation, an update, and the refusal of either."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from schemas.forms import CompiledType, Fault
from schemas.wire import Change, Outcome
from sync.items import Fields, ItemState
from sync.merge import Merged, Overlap, merge_fields
from sync.placing import Fixes


class Refused(Exception):
    """A change that is not applied: its outcome, code, and the fault of its form, if that is why."""

    def __init__(self, outcome: Outcome, code: str, fault: Fault | None = None) -> None:
        super().__init__(code)
        self.outcome: Outcome = outcome
        self.code = code
        self.fault = fault


class Turn(Struct, frozen=True, gc=False):
    """A change whose turn it is: its place in the set, the form of its type, and when it was captured by estimate.

    `fixes`: the positions that it tells itself.
    """

    index: int
    change: Change
    compiled: CompiledType
    captured_at: datetime
    fixes: Fixes


class Creation(Struct, frozen=True, gc=False):
    """A creation being decided, its form checked."""

    turn: Turn
    fields: Fields
    urgency: str


class Edit(Struct, frozen=True):
    """An update being decided: `base` are the fields as its author saw them, `changed` what others changed since.

    Without `base_version` nobody knows what he saw: every value that differs from the head's is one to be settled.
    """

    turn: Turn
    state: ItemState
    incoming: Fields
    base_version: int | None
    base: Fields
    changed: set[str]

    def merge(self, fields: Fields) -> Merged:
        """Merge some of its fields into the head."""
        form = self.turn.compiled
        return merge_fields(
            fields,
            server=self.state.fields,
            base=self.base,
            changed=self.changed,
            policy_of=form.merge_policy if self.base_version is not None else _by_a_person,
            longest=lambda key: form.fields[key].max_length,
        )

    def overlap(self, fields: Fields) -> dict[str, Overlap]:
        """These of its fields as ones to be settled; a deleted item has no value of its own."""
        current = {} if self.state.deleted else self.state.fields
        return {key: Overlap(self.base.get(key), current.get(key), value) for key, value in fields.items()}


def _by_a_person(key: str) -> str:
    return "manual"
