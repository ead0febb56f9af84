"""The golden files, replayed against a fresh server each; and that a change in an answer is told."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.builders import CHIEF, DISPATCHER
from tests.protocol.bindings import Bindings, Mismatch, plain
from tests.protocol.conversation import GOLDEN, Talk, check_digests
from tests.protocol.conversations import CONVERSATIONS
from tests.protocol.live import LiveServer

FILES = sorted(GOLDEN.glob("*.json"))


def steps_of(name: str) -> list[dict[str, Any]]:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))["steps"]


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_a_conversation_goes_as_it_was_recorded(server: LiveServer, name: str) -> None:
    for person in (CHIEF, DISPATCHER):
        server.give_password(person)
    talk = Talk(server)
    for number, step in enumerate(steps_of(name), 1):
        try:
            talk.replay(step)
        except Mismatch as mismatch:
            pytest.fail(f"{name}, step {number} ({step['what']}): {mismatch}")


def test_each_conversation_has_its_file() -> None:
    assert [path.stem for path in FILES] == sorted(one.__name__ for one in CONVERSATIONS)


def test_bytes_are_shown_as_what_they_hold() -> None:
    for path in FILES:
        for step in steps_of(path.stem):
            for part in (step.get("request", {}), step.get("response", {})):
                if "shown" in part:
                    assert plain(msgspec.msgpack.decode(bytes.fromhex(part["hex"]))) == part["shown"]


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_digests_are_those_of_what_is_shown(name: str) -> None:
    """An app checks its arithmetic on them."""
    check_digests(steps_of(name))


ANSWER = {"rev": "5e5e5e0000000001", "same": "5e5e5e0000000001", "other": "5e5e5e0000000002", "list": [1, True]}


@pytest.mark.parametrize(
    "found",
    [
        {"rev": "0" * 16, "same": "1" * 16, "other": "2" * 16, "list": [1, True]},
        {"rev": "0" * 16, "same": "0" * 16, "other": "0" * 16, "list": [1, True]},
        {"rev": "0" * 15, "same": "0" * 15, "other": "2" * 16, "list": [1, True]},
        {"rev": "0" * 16, "same": "0" * 16, "other": "2" * 16, "list": [1]},
        {"rev": "0" * 16, "same": "0" * 16, "other": "2" * 16, "list": [1, 1]},
        {"rev": "0" * 16, "same": "0" * 16, "other": "2" * 16},
        {"rev": "0" * 16, "same": "0" * 16, "other": "2" * 16, "list": [1, True], "more": None},
        {"rev": "0" * 16, "same": "0" * 16, "other": None, "list": [1, True]},
    ],
)
def test_a_changed_or_missing_value_is_told(found: dict[str, Any]) -> None:
    talk = object.__new__(Talk)
    talk.bindings = Bindings()
    talk._meet("body", {"rev": "5e5e5e0000000003"}, {"rev": "f" * 16})
    with pytest.raises(Mismatch):
        talk._meet("body", ANSWER, found)
