"""A golden file: requests and answers in their order, spoken against a server to record it or to hold a server to it.

`lines` are the lines of a body in JSON lines; `hex` are bytes, beside what they hold (`shown`). Of an answer count its
status, the headers of `HEADERS` and the whole body; `left_out` stands for a body too long to show.
"""

from __future__ import annotations

import json
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.builders import GRIDS, OFFICES, PEOPLE, grid_id, organisation
from tests.protocol.bindings import Bindings, Memberships, Mismatch, packed, plain, replaced
from tests.protocol.live import LiveServer

GOLDEN = Path(__file__).parent / "golden"
HEADERS = (
    "content-type", "etag", "cache-control", "catalogue-version", "content-language", "www-authenticate", "vary",
    "location", "upload-offset", "upload-length", "upload-metadata", "tus-resumable", "tus-version", "tus-extension",
    "tus-max-size", "tus-checksum-algorithm",
)  # fmt: skip
MSGPACK = "application/msgpack"
SKEW = 1_000_000
"""What the clock of a phone is wrong by grows with the age of the file: here it is always so many seconds."""
SEEDED = [
    *(str(person.id) for person in PEOPLE),
    *(str(grid_id(code)) for code in GRIDS),
    *(str(organisation(*one).id) for one in OFFICES),
]


class Talk:
    """One conversation with one server: what was said so far and which stand-ins are known."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.bindings = Bindings(SEEDED)
        self.steps: list[dict[str, Any]] = []
        self._shown, self._found = Memberships(), Memberships()
        self._client = server.client()

    # Recording ---------------------------------------------------------------------------------------------

    def say(self, what: str, method: str, path: str, **request: Any) -> Any:
        """Send a request, note it with its answer, and return the answer's body.

        `lines`, `packed` (bytes), `json` or `body` (bytes, shown as hex); `headers`; `left_out`.
        """
        body, shape = _body_of(request)
        number = {"X-Request-Id": f"golden-{len(self.steps) + 1:04d}"}
        headers = request.get("headers", {}) | number
        self.bindings.heard(f"{path} {headers} " + body.decode("utf-8", "replace"))
        response = self._send(method, path, headers, body)
        noted = {"method": method} | self._noted_request(path, headers, body, shape)
        self.steps.append({"what": what, "request": noted, "response": self._noted_response(response, body, request)})
        return _decoded(response)

    def check_photos(self) -> None:
        """Have the photos checked that were sent."""
        self.server.check_photos()
        self.steps.append({"what": "The server checks the bytes of the photos that were sent.", "do": "check_photos"})

    def merge_grids(self) -> None:
        """Have the first two grids merged."""
        self.server.merge_grids()
        self.steps.append({"what": "The first two grids are merged into one.", "do": "merge_grids"})

    def publish_catalogue(self) -> None:
        """Have the same forms published as a new version."""
        self.server.publish_catalogue()
        self.steps.append({"what": "A new version of the catalogue is published.", "do": "publish_catalogue"})

    def release_held(self) -> None:
        """Have an office release what the quarantine holds."""
        self.server.release_held()
        self.steps.append({"what": "An office releases it from the quarantine.", "do": "release_held"})

    def _noted_request(self, path: str, headers: dict[str, str], body: bytes, shape: str) -> dict[str, Any]:
        known = self.bindings.stand_ins
        shown = replaced(body, known)
        named = {name: replaced(value.encode(), known).decode() for name, value in headers.items()}
        noted: dict[str, Any] = {"path": replaced(path.encode(), known).decode(), "headers": named}
        if shape == "json":
            noted["json"] = json.loads(shown)
        elif shape == "lines":
            noted["lines"] = shown.decode().splitlines()
        elif shape == "hex":
            noted |= _hex(shown)
        return noted

    def _noted_response(self, response: httpx.Response, body: bytes, request: dict[str, Any]) -> dict[str, Any]:
        known = self.bindings.stand_ins
        for raw in _sets(body, request):
            self.bindings.bind(sha256(replaced(raw, known)).hexdigest(), sha256(raw).hexdigest())
        headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
        headers = {name: self.bindings.stand_in(name, value) for name, value in headers.items()}
        noted: dict[str, Any] = {"status": response.status_code, "headers": headers}
        if request.get("left_out"):
            return noted | {"left_out": True}
        if not response.content:
            return noted
        found = _decoded(response)
        shown = self._stood_in("", found)
        _take(self._shown, _device(replaced(body, known)), shown)
        if response.headers["content-type"].startswith(MSGPACK):
            return noted | _hex(msgspec.msgpack.encode(packed(shown, msgspec.msgpack.decode(response.content))))
        return noted | {"json": shown}

    def _stood_in(self, key: str, value: Any) -> Any:
        if key == "skew" and isinstance(value, int):
            return SKEW if value > 0 else -SKEW
        if isinstance(value, dict):
            return {name: self._stood_in(name, one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._stood_in(key, one) for one in value]
        return self.bindings.stand_in(key, value) if isinstance(value, str) and key != "digest" else value

    # Replaying ---------------------------------------------------------------------------------------------

    def replay(self, step: dict[str, Any]) -> None:
        """Send the step's request and hold the answer against the noted one. Raises Mismatch."""
        if "do" in step:
            getattr(self.server, step["do"])()
            return
        request, expected = step["request"], step["response"]
        shown = _body_bytes(request)
        known = self.bindings.values
        body = replaced(shown, known)
        for one, other in zip(_sets(shown, request), _sets(body, request), strict=True):
            self.bindings.bind(sha256(one).hexdigest(), sha256(other).hexdigest())
        headers = {name: replaced(value.encode(), known).decode() for name, value in request["headers"].items()}
        path = replaced(request["path"].encode(), known).decode()
        response = self._send(request["method"], path, headers, body)
        self._meet_response(expected, response, _device(body))

    def _meet_response(self, expected: dict[str, Any], response: httpx.Response, device: str) -> None:
        if response.status_code != expected["status"]:
            raise Mismatch(f"status {response.status_code} instead of {expected['status']}: {response.text[:300]}")
        headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
        self._meet("headers", expected["headers"], headers)
        if expected.get("left_out"):
            return
        if "json" not in expected and "hex" not in expected:
            if response.content:
                raise Mismatch(f"a body where there was none: {response.text[:300]}")
            return
        wanted = expected["json"] if "json" in expected else expected["shown"]
        found = _decoded(response)
        self._meet("body", wanted, found)
        computed = deepcopy(found)
        _take(self._found, device, computed)
        if computed != found:
            raise Mismatch("a digest is not that of what the device holds")

    def _meet(self, where: str, expected: Any, found: Any) -> None:
        if isinstance(expected, dict) and isinstance(found, dict):
            if expected.keys() != found.keys():
                raise Mismatch(f"{where}: {sorted(found)} instead of {sorted(expected)}")
            for key, value in expected.items():
                if key != "digest":
                    self._meet(f"{where}.{key}", value, found[key])
        elif isinstance(expected, list) and isinstance(found, list):
            if len(expected) != len(found):
                raise Mismatch(f"{where}: {len(found)} instead of {len(expected)}")
            for index, (one, other) in enumerate(zip(expected, found, strict=True)):
                self._meet(f"{where}[{index}]", one, other)
        elif isinstance(expected, str):
            self.bindings.meet(where, expected, found)
        elif type(expected) is not type(found) or (expected != found and not _both_skewed(where, expected, found)):
            raise Mismatch(f"{where}: {found!r} instead of {expected!r}")

    def _send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        if path.startswith("http"):
            return httpx.request(method, path, content=body)
        return self._client.request(method, path, headers=headers, content=body or None)


def _both_skewed(where: str, expected: Any, found: Any) -> bool:
    return where.endswith(".skew") and expected * found > 0


def write(name: str, about: str, steps: list[dict[str, Any]]) -> None:
    """Put a conversation into its file."""
    document = json.dumps({"about": about, "steps": steps}, ensure_ascii=False, indent=1)
    (GOLDEN / f"{name}.json").write_text(document + "\n", encoding="utf-8")


def check_digests(steps: list[dict[str, Any]]) -> None:
    """Raises Mismatch where a digest of a file is not that of the entries which it shows."""
    held = Memberships()
    for step in steps:
        response = step.get("response", {})
        shown = response.get("json", response.get("shown"))
        computed = deepcopy(shown)
        _take(held, _device(_body_bytes(step.get("request", {}))), computed)
        if computed != shown:
            raise Mismatch(f"{step['what']}: a digest is not that of what is shown")


def _take(memberships: Memberships, device: str, answer: Any) -> None:
    if isinstance(answer, dict) and "streams" in answer and device:
        memberships.take(device, answer)


def _body_of(request: dict[str, Any]) -> tuple[bytes, str]:
    if "json" in request:
        return json.dumps(request["json"], ensure_ascii=False).encode(), "json"
    if "lines" in request:
        return b"".join(line + b"\n" for line in request["lines"]), "lines"
    return (request["body"], "hex") if "body" in request else (b"", "")


def _body_bytes(request: dict[str, Any]) -> bytes:
    if "json" in request:
        return json.dumps(request["json"], ensure_ascii=False).encode()
    if "lines" in request:
        return "".join(f"{line}\n" for line in request["lines"]).encode()
    return bytes.fromhex(request.get("hex", ""))


def _hex(raw: bytes) -> dict[str, Any]:
    """Bytes, and what they hold where they are MessagePack."""
    try:
        return {"hex": raw.hex(), "shown": plain(msgspec.msgpack.decode(raw))}
    except msgspec.DecodeError:
        return {"hex": raw.hex()}


def _decoded(response: httpx.Response) -> Any:
    kind = response.headers.get("content-type", "")
    if kind.startswith(MSGPACK):
        return plain(msgspec.msgpack.decode(response.content))
    return response.json() if "json" in kind and response.content else None


def _sets(body: bytes, request: dict[str, Any]) -> list[bytes]:
    """The sets of an exchange's body."""
    if "lines" in request:
        return body.split(b"\n")[1:-1]
    if request.get("headers", {}).get("Content-Type") == MSGPACK:
        return msgspec.msgpack.decode(body).get("sets", [])
    return []


def _device(body: bytes) -> str:
    """Which device an exchange's body speaks for."""
    for decode in (lambda raw: json.loads(raw.split(b"\n")[0]), msgspec.msgpack.decode):
        try:
            header = decode(body)
        except ValueError:
            continue
        return header.get("device", "") if isinstance(header, dict) else ""
    return ""
