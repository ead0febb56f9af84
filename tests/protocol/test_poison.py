"""Poison: twenty sets in one body, the seventh of which is bad. The others apply; the seventh is kept as it came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from server.usecases import push
from tests.protocol.kept import is_kept, nothing_stored
from tests.protocol.live import LiveServer
from tests.protocol.rawphone import RawPhone, compact, create

SETS, SEVENTH = 20, 7


def a_set(phone: RawPhone, no: int) -> bytes:
    return compact(phone.change_set([create("0102", unit_no=f"1-{no}", address="MARKER")], no=no))


def poisoned(marker: bytes) -> Callable[[RawPhone], bytes]:
    return lambda phone: a_set(phone, SEVENTH).replace(b'"MARKER"', marker)


POISON: dict[str, tuple[str, str, Callable[[RawPhone], bytes]]] = {
    "a lone surrogate": ("rejected", "set_text_invalid", poisoned(b'"\\udc00"')),
    "10,000 deep": ("rejected", "set_too_deep", poisoned(b"[" * 10_000 + b"]" * 10_000)),
    "oversize": ("rejected", "set_too_large", poisoned(b'"' + b"x" * 400_000 + b'"')),
    "truncated": ("rejected", "set_malformed", lambda phone: a_set(phone, SEVENTH)[:-30]),
}


def twenty(phone: RawPhone, bad: bytes) -> list[bytes]:
    return [bad if no == SEVENTH else a_set(phone, no) for no in range(1, SETS + 1)]


def check(phone: RawPhone, answer: dict[str, Any], sets: list[bytes]) -> dict[str, Any]:
    """All others applied, the counter at twenty, every byte kept; returns the seventh receipt."""
    receipts = answer["receipts"]
    assert [receipt["no"] for receipt in receipts] == list(range(1, SETS + 1))
    assert answer["expected"] == SETS + 1
    others = [receipt for receipt in receipts if receipt["no"] != SEVENTH]
    assert [one["outcome"] for receipt in others for one in receipt["outcomes"]] == ["applied"] * (SETS - 1)
    for no, raw in enumerate(sets, 1):
        assert phone.server.kept_bytes(phone.id, no) == [raw]
    made = phone.server.value("SELECT count(*) FROM revision WHERE device_id = $1", phone.id)
    assert made == SETS - 1
    return receipts[SEVENTH - 1]


def check_resent(phone: RawPhone, answer: dict[str, Any], sets: list[bytes]) -> None:
    """The same body again, and each set alone, get the same receipts and do nothing."""
    with nothing_stored(phone.server):
        assert phone.exchange(*sets, first=1)["receipts"] == answer["receipts"]
        (again,) = phone.exchange(sets[SEVENTH - 1], first=SEVENTH)["receipts"]
    assert again == answer["receipts"][SEVENTH - 1]


@pytest.mark.parametrize("name", POISON)
def test_the_seventh_set_cannot_be_read(shared_server: LiveServer, name: str) -> None:
    status, code, make = POISON[name]
    phone = RawPhone(shared_server)
    sets = twenty(phone, make(phone))
    answer = phone.exchange(*sets, first=1)
    receipt = check(phone, answer, sets)
    assert (receipt["status"], receipt["code"]) == (status, code)
    is_kept(shared_server, phone, SEVENTH, sets[SEVENTH - 1], status, code)
    check_resent(phone, answer, sets)


def test_the_seventh_set_holds_nul(shared_server: LiveServer) -> None:
    """Readable as a set, so that its change alone is refused."""
    phone = RawPhone(shared_server)
    sets = twenty(phone, poisoned(b'"\\u0000"')(phone))
    answer = phone.exchange(*sets, first=1)
    receipt = check(phone, answer, sets)
    assert [(one["outcome"], one["code"]) for one in receipt["outcomes"]] == [("rejected", "change_text_invalid")]
    check_resent(phone, answer, sets)


def test_the_server_itself_fails_over_the_seventh_set(
    shared_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that no retry cures is quarantined for a person; the device goes on."""
    phone = RawPhone(shared_server)
    decide_set = push.decide_set

    def failing(changes: Any, context: Any, **how: Any) -> Any:
        if any(change.fields.get("unit_no") == f"1-{SEVENTH}" for change, _ in changes):
            raise ZeroDivisionError("a value that must not be logged")
        return decide_set(changes, context, **how)

    monkeypatch.setattr(push, "decide_set", failing)
    sets = twenty(phone, a_set(phone, SEVENTH))
    answer = phone.exchange(*sets, first=1)
    receipt = check(phone, answer, sets)
    assert (receipt["status"], receipt["code"]) == ("quarantined", "set_internal_error")
    is_kept(shared_server, phone, SEVENTH, sets[SEVENTH - 1], "quarantined", "set_internal_error")
    check_resent(phone, answer, sets)


def test_a_fault_that_a_retry_cures_stops_before_the_set(
    shared_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, nothing quarantined: what was decided stays decided, and the retry does the rest."""
    phone = RawPhone(shared_server)
    decide_set, failures = push.decide_set, iter([ConnectionResetError()])

    def failing(changes: Any, context: Any, **how: Any) -> Any:
        seventh = any(change.fields.get("unit_no") == f"1-{SEVENTH}" for change, _ in changes)
        if seventh and (failure := next(failures, None)) is not None:
            raise failure
        return decide_set(changes, context, **how)

    monkeypatch.setattr(push, "decide_set", failing)
    sets = twenty(phone, a_set(phone, SEVENTH))
    refused = phone.post(b"".join(line + b"\n" for line in [compact(phone.header(first=1)), *sets]))
    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert refused.headers["retry-after"]
    assert phone.pull()["expected"] == SEVENTH
    answer = phone.exchange(*sets, first=1)
    assert [one["outcome"] for receipt in answer["receipts"] for one in receipt["outcomes"]] == ["applied"] * SETS
    assert shared_server.value("SELECT count(*) FROM quarantine WHERE device_id = $1", phone.id) == 0
