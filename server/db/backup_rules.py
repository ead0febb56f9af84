"""What a backup of the database leaves out, so that no copy of it can be opened, and nothing erased comes back.

These are the keys, and the only ones: with the root secret, what stands here opens whatever is sealed; without it, the
rest opens nothing of an item. They belong into one encrypted key file, overwritten each time, and a restore takes the
newest: a key that was destroyed since is in no newer one. The root is among them, wrapped by the master key of the day,
so that a retired master key and a stolen backup are worth nothing together. A restored database does not start before
its keys are there.
"""

from __future__ import annotations

from typing import NamedTuple


class LeftOut(NamedTuple):
    """A table that is left out whole, or columns of it that are null in a backup."""

    table: str
    columns: tuple[str, ...] = ()


LEFT_OUT = (
    LeftOut("installation"),
    LeftOut("item_key"),
    LeftOut("change_set", ("wrapped",)),
    LeftOut("forked_set", ("wrapped",)),
    LeftOut("quarantine", ("wrapped",)),
)
