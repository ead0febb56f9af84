"""How a route is asked. Whoever adds a route enters it in api.py or console.py; a test fails until he does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

from tests.matrix.city import Actor
from tests.matrix.scene import Planted, Scene
from tests.matrix.truth import sees

Group = Literal["public", "account", "items", "reviews", "conflicts", "cases", "photos", "phones", "people", "registry"]


class Call(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    json: Any = None
    form: dict[str, Any] | None = None
    query: dict[str, str] | None = None


class Binding(NamedTuple):
    """A route, or one deed of it: what it is asked for, and for whom it answers with it.

    `kinds`: what it is asked for; none for a route that answers everybody alike. `at_once`: one request is answered
    with all of them. `may` is the truth of it. `content`: the texts of a thing are shown too, not its ids alone.
    `unmasks`: secret texts as well; `tells`: of the marked ones those that name and number nobody. `silent`: the
    answer names nothing, success says it all. `effect`: SQL for what a deed changes of thing $1; where it is allowed it
    is done to a `fresh` one.
    """

    route: str
    group: Group
    ask: Callable[[Actor, Planted], Call]
    kinds: tuple[str, ...] = ()
    may: Callable[[str, Planted], bool] = sees
    at_once: bool = False
    content: bool = True
    unmasks: bool = False
    deed: str = ""
    effect: str = ""
    fresh: Callable[[Scene, str], Awaitable[Planted]] | None = None
    tells: bool = False
    silent: bool = False

    @property
    def label(self) -> str:
        """The route with its deed."""
        return f"{self.route} ({self.deed})" if self.deed else self.route


NO_THING = Planted("none", "home", "")
EVENTS = ("report", "approved", "own", "held", "petition", "asked")
READABLE = (*EVENTS, "resident")
