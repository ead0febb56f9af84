"""Which organisation is nearest: function x division, up the division tree.

community -> street -> county -> city
in a statistical zone: community -> street -> zone -> its host county -> city
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sync.access import Organisation


class Above(NamedTuple):
    """What a division lies in; of a statistical zone or a street of it also the county in whose outline it lies."""

    parent: str | None
    host_county: str | None = None


def ladder(division: str | None, tree: Mapping[str, Above]) -> tuple[str, ...]:
    """The divisions from here up to the city, nearest first; the host county is the last step below the city.

    A street's own host goes before that of its zone. What the tree does not know ends the ladder; a circle in it is
    walked once.
    """
    steps: list[str] = []
    while division is not None and division in tree and division not in steps:
        steps.append(division)
        division = tree[division].parent
    host = next((tree[step].host_county for step in steps if tree[step].host_county), None)
    if host is not None and host not in steps:
        below_city = len(steps) - 1 if tree[steps[-1]].parent is None else len(steps)
        steps.insert(below_city, host)
    return tuple(steps)


def nearest(organisations: Iterable[Organisation], department: str, steps: Iterable[str]) -> Organisation | None:
    """The organisation of a department that comes first on a ladder."""
    by_division = {one.division: one for one in organisations if one.department == department}
    return next((by_division[step] for step in steps if step in by_division), None)
