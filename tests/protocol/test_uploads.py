"""Appends on a bad network, over a real socket: lines that are cut, left open, or lead to another server."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.builders import MATE, WORKER
from tests.integration.uploads_scene import APPEND, announced, noisy, summed
from tests.protocol.live import LiveServer, fresh_server
from tests.protocol.rawphone import is_problem

PIECE, SMALL = 256 * 1024, 64 * 1024
PHOTO = noisy(1, (500, 350))
"""Some 525,000 bytes: three pieces where it comes at once."""


@pytest.fixture(scope="module")
def server(embedded: dict[str, str], template: str) -> Iterator[LiveServer]:
    with fresh_server(embedded, template) as opened:
        yield opened


@pytest.fixture(scope="module")
def session(server: LiveServer) -> dict[str, str]:
    return server.sign_in(WORKER) | {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def client(server: LiveServer, session: dict[str, str]) -> Iterator[httpx.Client]:
    with server.client(session) as opened:
        yield opened


@pytest.fixture
def path(client: httpx.Client) -> Iterator[str]:
    """The upload of PHOTO, which is given up at the end if it was not completed."""
    answer = client.post("/v1/uploads", headers=announced(PHOTO))
    assert answer.status_code == 201, answer.text
    yield answer.headers["Location"]
    client.delete(answer.headers["Location"])


def until(holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait until it holds: a client that is gone is told nothing."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def offset(client: httpx.Client, path: str) -> int:
    answer = client.head(path)
    assert answer.status_code == 204
    return int(answer.headers["Upload-Offset"])


def begun(
    server: LiveServer, session: dict[str, str], path: str, at: int, sent: bytes, **headers: str
) -> socket.socket:
    """A line by which an append of the whole rest was begun, and so many bytes of it were sent."""
    parts = urlsplit(server.url)
    line = socket.create_connection((parts.hostname, parts.port))
    fields = session | APPEND | {"Host": "grid", "Upload-Offset": str(at), "Content-Length": str(len(PHOTO) - at)}
    fields |= headers
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    line.sendall(f"PATCH {path} HTTP/1.1\r\n{head}\r\n".encode() + sent)
    return line


def patches(server: LiveServer) -> float:
    """How many appends have come to their end."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(
        float(one.rpartition(" ")[2]) for one in lines if one.startswith('onegrid_requests_total{method="PATCH"')
    )


@pytest.mark.parametrize("cut", [1, SMALL - 1, SMALL, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, len(PHOTO) - 1])
def test_what_came_before_a_cut_is_kept(
    server: LiveServer, session: dict[str, str], client: httpx.Client, path: str, cut: int
) -> None:
    """What is little is laid down after a while; so all that was sent counts before the line is cut."""
    line = begun(server, session, path, 0, PHOTO[:cut])
    until(lambda: offset(client, path) == cut)
    line.close()

    answer = client.patch(path, content=PHOTO[cut:], headers=APPEND | {"Upload-Offset": str(cut)})

    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(len(PHOTO)))
    found = server.value("SELECT count(*) FROM evidence WHERE state = 'stored' AND size = $1", len(PHOTO))
    assert found == 1
    forget(server)


def forget(server: LiveServer) -> None:
    """Have the photo checked, and let the next test bring it anew."""
    server.check_photos()
    assert server.value("SELECT state FROM evidence WHERE size = $1", len(PHOTO)) == "verified"
    server.sql("UPDATE evidence SET state = 'declared' WHERE size = $1", len(PHOTO))


def test_a_line_that_is_cut_at_once_loses_little(
    server: LiveServer, session: dict[str, str], client: httpx.Client, path: str
) -> None:
    """Cut again and again in the middle of an append, the photo arrives by what was kept each time."""
    at = ended = 0
    while at < len(PHOTO):
        step, ended = PHOTO[at : at + 150_000], patches(server) + 1
        line = begun(server, session, path, at, step)
        line.shutdown(socket.SHUT_WR)
        line.close()
        until(lambda ended=ended: patches(server) >= ended)
        reached = offset(client, path)
        assert at <= reached <= at + len(step)
        at = reached if reached > at else send(client, path, at)
    forget(server)


def send(client: httpx.Client, path: str, at: int) -> int:
    answer = client.patch(path, content=PHOTO[at : at + 10_000], headers=APPEND | {"Upload-Offset": str(at)})
    assert answer.status_code == 204
    return int(answer.headers["Upload-Offset"])


def test_a_line_that_is_left_open_does_not_hold_up_the_next(
    server: LiveServer, session: dict[str, str], client: httpx.Client, path: str
) -> None:
    """The phone is in another cell and goes on by a new line; of the old one nobody ever hears again."""
    old = begun(server, session, path, 0, PHOTO[:1000])
    until(lambda: offset(client, path) == 1000)

    answer = client.patch(path, content=PHOTO[1000:5000], headers=APPEND | {"Upload-Offset": "1000"})
    assert (answer.status_code, offset(client, path)) == (204, 5000)

    # What still comes by the old one is late.
    old.sendall(PHOTO[1000 : PIECE + 2000])
    assert old.recv(65536).startswith(b"HTTP/1.1 409 ")
    old.close()
    assert offset(client, path) == 5000


@pytest.mark.long
def test_a_line_on_which_nothing_comes_is_given_up(
    server: LiveServer, session: dict[str, str], client: httpx.Client, path: str
) -> None:
    """It takes half a minute of silence."""
    line = begun(server, session, path, 0, PHOTO[:1000])
    answer = b""
    # Head and body may come one after the other.
    while not answer.endswith(b"}") and (more := line.recv(65536)):
        answer += more
    line.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"upload_stalled" in answer
    assert offset(client, path) == 1000


def test_a_line_that_only_trickles_is_given_up(
    server: LiveServer, session: dict[str, str], client: httpx.Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a quarter of an hour, here after a second; silence alone would take longer."""
    monkeypatch.setattr("server.api.uploads._SECONDS_OF_AN_APPEND", 1.0)
    line = begun(server, session, path, 0, PHOTO[:1000])
    at, answer = 1000, b""
    while not answer and at < 1200:
        line.settimeout(0.2)
        try:
            answer = line.recv(65536)
        except TimeoutError:
            line.sendall(PHOTO[at : at + 1])
            at += 1
    line.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 1000 <= offset(client, path) <= at


def test_of_an_append_with_a_checksum_that_is_cut_nothing_is_kept(
    server: LiveServer, session: dict[str, str], client: httpx.Client, path: str
) -> None:
    ended = patches(server) + 1
    line = begun(server, session, path, 0, PHOTO[: PIECE + 5000], **summed(PHOTO))
    line.close()
    until(lambda: patches(server) >= ended)

    assert offset(client, path) == 0
    assert server.value("SELECT pieces FROM upload WHERE id = $1", path.rpartition("/")[2]) == []
    answer = client.patch(path, content=PHOTO, headers=APPEND | summed(PHOTO) | {"Upload-Offset": "0"})
    assert answer.status_code == 204
    forget(server)


def test_one_that_waits_to_be_told_to_send_is_refused_before_it_sends(
    server: LiveServer, session: dict[str, str], client: httpx.Client, path: str
) -> None:
    line = begun(server, session, path, 77, b"", Expect="100-continue")
    assert line.recv(65536).startswith(b"HTTP/1.1 409 ")
    line.close()


def test_one_that_announces_too_much_is_refused_before_it_sends(
    server: LiveServer, session: dict[str, str], client: httpx.Client, path: str
) -> None:
    too_much = {"Expect": "100-continue", "Content-Length": str(len(PHOTO) + 1)}
    line = begun(server, session, path, 0, b"", **too_much)
    assert line.recv(65536).startswith(b"HTTP/1.1 413 ")
    line.close()


def test_a_head_is_answered_without_a_body_and_the_line_goes_on(server: LiveServer, client: httpx.Client) -> None:
    nobodys = "/v1/uploads/019b0000-0000-7000-8000-000000000001"
    for _ in range(3):
        answer = client.head(nobodys)
        assert (answer.status_code, answer.content) == (404, b"")
        assert int(answer.headers["Content-Length"]) > 0
    assert is_problem(client.get(nobodys))


def test_post_with_another_method_named_in_it(server: LiveServer, client: httpx.Client, path: str) -> None:
    named = {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"} | APPEND
    assert client.post(path, content=PHOTO[:50], headers=named).headers["Upload-Offset"] == "50"
    asked = client.post(path, headers={"X-HTTP-Method-Override": "HEAD"})
    assert (asked.status_code, asked.headers["Upload-Offset"]) == (204, "50")
    with server.client(server.sign_in(MATE) | {"Tus-Resumable": "1.0.0"}) as other:
        assert is_problem(other.post(path, headers={"X-HTTP-Method-Override": "HEAD"}))
