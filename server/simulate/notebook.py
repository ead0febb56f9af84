"""What the workers of each grid know to be there: the planner's view, day by day, never asked from the server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from msgspec import Struct, structs

from schemas.forms import packaged
from server.simulate.ledger import Written


class Grid(Struct, frozen=True):
    """A grid by its code, with its rings in WGS-84."""

    code: str
    outline: list[list[tuple[float, float]]]


class Note(Struct, frozen=True):
    """An item of a grid; `day`: at whose end everybody who was online had it. `author`: number of a phone."""

    item: UUID
    type: str
    grid: str
    author: int
    day: int

    def known_since(self, day: int) -> Note:
        """The same of an item that reached the others at the end of this day."""
        return structs.replace(self, day=day)

    @property
    def stream(self) -> str:
        """The class of stream that carries it."""
        return packaged().types[self.type].stream


class Notebook:
    """Notes by grid in the order in which they were made; frozen while a day is worked."""

    def __init__(self) -> None:
        self._notes: defaultdict[str, dict[UUID, Note]] = defaultdict(dict)

    def add(self, notes: Iterable[Note]) -> None:
        """What became known at the end of a day."""
        for note in notes:
            self._notes[note.grid][note.item] = note

    def forget(self, deletions: Iterable[Written]) -> None:
        """Items that somebody deleted."""
        for change in deletions:
            for notes in self._notes.values():
                notes.pop(change.item, None)

    def known(self, grid: str, knew: int) -> Sequence[Note]:
        """What a phone that pulled everything at the end of day `knew` can know of a grid."""
        return [note for note in self._notes[grid].values() if note.day <= knew]
