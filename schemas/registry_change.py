"""A plan of registry changes, as its file says it: operations on grids that are published together as one version.

Codes are texts of 15 digits, or 16 as printed. The verb of an operation is the key that it begins with.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct

Verb = Literal["split", "merge", "renumber", "redraw", "move", "retire", "new"]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a plan is made of: a slip in a key is a fault and nothing that is passed over."""


class TeamMember(Part, frozen=True):
    """Somebody who takes over a grid: a user's id or login phone, and his role there."""

    user: str
    role: Literal["grid_worker", "grid_chief", "grid_adviser"]


class NewGridLabel(Part, frozen=True):
    """A grid that begins. Without a `team` it takes over everybody who works in what it comes from."""

    code: str
    name: str
    compounds: tuple[str, ...] | None = None
    team: tuple[TeamMember, ...] | None = None


class Split(Part, frozen=True):
    """A grid ends, and two or more take its ground."""

    split: str
    into: tuple[NewGridLabel, ...]


class Merge(Part, frozen=True):
    """Two or more grids end, and one takes their ground; without an outline of its own it has all of theirs."""

    merge: tuple[str, ...]
    into: NewGridLabel


class Renumber(Part, frozen=True):
    """A grid bears another code of its own community; all else stays."""

    renumber: str
    to: str


class Redraw(Part, frozen=True):
    """Grids get other outlines, as where a border between them is shifted."""

    redraw: tuple[str, ...]


class Move(Part, frozen=True):
    """A grid goes over to another community, whose code it then bears; its ground stays."""

    move: str
    to: str
    name: str | None = None


class Retire(Part, frozen=True):
    """A grid ends without a successor; what other operations do not take of its ground has no grid then."""

    retire: str


class New(Part, frozen=True):
    """A grid begins where none was, or on what other operations give up."""

    new: NewGridLabel


Operation = Split | Merge | Renumber | Redraw | Move | Retire | New

VERBS: dict[Verb, type[Operation]] = {
    "split": Split,
    "merge": Merge,
    "renumber": Renumber,
    "redraw": Redraw,
    "move": Move,
    "retire": Retire,
    "new": New,
}
"""Every operation by its verb."""


class Named(NamedTuple):
    """A code, or a grid that begins, with its place in the operation, as `into[1]`."""

    place: str
    code: str


class Begun(NamedTuple):
    """A grid that begins, with its place in the operation."""

    place: str
    label: NewGridLabel


def verb_of(operation: Operation) -> Verb:
    """What an operation does."""
    return next(verb for verb, form in VERBS.items() if isinstance(operation, form))


def predecessors_of(operation: Operation) -> tuple[Named, ...]:
    """The grids that it is about, by the codes that the file writes."""
    match operation:
        case Split(split=code):
            return (Named("split", code),)
        case Renumber(renumber=code):
            return (Named("renumber", code),)
        case Move(move=code):
            return (Named("move", code),)
        case Retire(retire=code):
            return (Named("retire", code),)
        case Merge(merge=codes):
            return tuple(Named(f"merge[{at}]", code) for at, code in enumerate(codes))
        case Redraw(redraw=codes):
            return tuple(Named(f"redraw[{at}]", code) for at, code in enumerate(codes))
        case New():
            return ()


def begun_by(operation: Operation) -> tuple[Begun, ...]:
    """The grids that begin with it."""
    match operation:
        case Split(into=labels):
            return tuple(Begun(f"into[{at}]", label) for at, label in enumerate(labels))
        case Merge(into=label):
            return (Begun("into", label),)
        case New(new=label):
            return (Begun("new", label),)
        case _:
            return ()


def codes_given_by(operation: Operation) -> tuple[Named, ...]:
    """The codes that no grid bore before it, as the file writes them."""
    if isinstance(operation, Renumber | Move):
        return (Named("to", operation.to),)
    return tuple(Named(f"{one.place}.code", one.label.code) for one in begun_by(operation))
