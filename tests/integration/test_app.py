"""The shell of the application: whatever a client sends, it gets a problem document with a stable code and no 5xx."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import msgspec
import pytest
import zstandard
from litestar import Litestar
from msgspec.structs import replace

from schemas.item_type import ItemType
from server import logs
from server.app import create_app
from server.errors import CATALOGUE
from server.services import Services
from server.settings import Settings
from tests.integration import town
from tests.integration.test_auth import refused, sign_in

DEEP = 10_000


async def post(client: httpx.AsyncClient, path: str, body: bytes, **headers: str) -> httpx.Response:
    return await client.post(path, content=body, headers={"content-type": "application/json"} | headers)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "parameter_invalid"),
        (b"null", "parameter_invalid"),
        (b"[]", "parameter_invalid"),
        (b"{", "body_malformed"),
        (b'{"grant":"refresh","refresh":"abc', "body_malformed"),
        (b"\xff\xfe{}", "body_malformed"),
        (b'{"grant":"refresh","refresh":"\xff"}', "body_malformed"),
        (b'{"grant":"refresh","refresh":"\\ud800"}', "body_malformed"),
        (b'{"grant":"refresh","refresh":"\\ud800aaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', "body_malformed"),
        (b"[" * DEEP + b"]" * DEEP, "body_malformed"),
        (b'{"grant":"refresh","x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", "body_malformed"),
        (b'{"grant":"password","phone":' + b"9" * 5000 + b',"password":"x"}', "body_malformed"),
        (b'{"grant":"password","phone":1e999,"password":"x"}', "body_malformed"),
        (b'{"grant":"password","phone":12345678901,"password":"x"}', "parameter_invalid"),
        (b'{"grant":"password","phone":"13800000001","password":"\\u0000"}', "parameter_invalid"),
        (b'{"grant":"future"}', "parameter_invalid"),
        (b"{}", "parameter_invalid"),
    ],
)
async def test_bad_bodies(app_client: httpx.AsyncClient, body: bytes, code: str) -> None:
    refused(await post(app_client, "/v1/token", body), 400, code)


async def test_a_refused_parameter_is_named_and_its_value_is_not_repeated(app_client: httpx.AsyncClient) -> None:
    body = b'{"grant":"password","phone":"13800000001x","password":"secret"}'
    problem = refused(await post(app_client, "/v1/token", body), 400, "parameter_invalid")
    assert problem["field"] == "phone"
    assert "phone" in problem["zh"]
    assert "phone" in problem["en"]
    assert "13800000001x" not in json.dumps(problem)
    unknown = await post(app_client, "/v1/token", b'{"grant":"13800000001x"}')
    assert "13800000001x" not in unknown.text
    missing = refused(await post(app_client, "/v1/enrol", b'{"code":"ABCDEFGH"}'), 400, "parameter_invalid")
    assert missing["field"] == "install"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "\xff", "a/b/c;;=="])
async def test_other_content_types(app_client: httpx.AsyncClient, content_type: str) -> None:
    answer = await app_client.post(
        "/v1/token", content=b"{}", headers=[(b"content-type", content_type.encode("latin-1"))]
    )
    refused(answer, 415, "encoding_unknown")


async def test_a_coded_body_is_refused_where_none_is_taken(app_client: httpx.AsyncClient) -> None:
    answer = await post(app_client, "/v1/token", gzip.compress(b"{}"), **{"content-encoding": "gzip"})
    refused(answer, 415, "encoding_unknown")


async def test_bodies_over_the_limit(app_client: httpx.AsyncClient, services: Services) -> None:
    size = services.settings.max_body_bytes + 1
    refused(await post(app_client, "/v1/token", b" " * size), 413, "body_too_large")

    async def in_parts() -> Any:
        for _ in range(size // 65_536 + 1):
            yield b" " * 65_536

    answer = await app_client.post("/v1/token", content=in_parts(), headers={"content-type": "application/json"})
    refused(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/%00",
        "/%ff%fe",
        "/errors/%00",
        "/errors/%ed%a0%80",
        "/errors/" + "a" * 20_000,
        "/schema/nope",
        "/v1",
        "//",
    ],
)
async def test_unknown_paths(app_client: httpx.AsyncClient, path: str) -> None:
    refused(await app_client.get(path), 404, "not_found")


@pytest.mark.parametrize("method", ["DELETE", "PUT", "TRACE", "FOO", "GET"])
async def test_other_methods_are_told_which_are_taken(app_client: httpx.AsyncClient, method: str) -> None:
    answer = await app_client.request(method, "/v1/token")
    refused(answer, 405, "method_not_allowed")
    assert {"POST", "OPTIONS"} == {one.strip() for one in answer.headers["allow"].split(",")}


@pytest.mark.usefixtures("small_town")
@pytest.mark.parametrize("query", ["lang=xx", "lang=%ff", "lang=%00", "lang=", "lang=%ed%a0%80"])
async def test_bad_query_values(app_client: httpx.AsyncClient, query: str) -> None:
    access = (await sign_in(app_client, town.WORKER_EAST.phone)).json()["access"]
    answer = await app_client.get(f"/v1/catalogue?{query}", headers={"Authorization": f"Bearer {access}"})
    assert refused(answer, 400, "parameter_invalid")["field"] == "lang"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer \xff\xfe")],
        [(b"authorization", b"Bearer " + b"a" * 10_000)],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"\x00")],
        [(b"authorization", b"Bearer a"), (b"cookie", b"\xff=\xfe; ;;"), (b"accept-language", b"\xff;q=x")],
    ],
)
async def test_bad_headers(app_client: httpx.AsyncClient, headers: list[tuple[bytes, bytes]]) -> None:
    refused(await app_client.get("/v1/registry", headers=headers), 401, "token_unknown")


async def test_problems_speak_the_language_that_is_asked_for(app_client: httpx.AsyncClient) -> None:
    words = CATALOGUE["not_found"]
    for header, expected in [
        ("", words.zh),
        ("zh-CN,zh;q=0.9,en;q=0.8", words.zh),
        ("en-GB,en;q=0.9,zh;q=0.1", words.en),
        ("fr", words.zh),
        ("*", words.zh),
        ("en;q=0, zh", words.zh),
    ]:
        answer = await app_client.get("/nope", headers={"accept-language": header})
        assert answer.json()["detail"] == expected, header
        assert (answer.json()["zh"], answer.json()["en"]) == (words.zh, words.en)


async def test_every_answer_bears_a_request_id(app_client: httpx.AsyncClient) -> None:
    given = await app_client.get("/health/live", headers={"x-request-id": "phone-17.abc_9"})
    assert given.headers["x-request-id"] == "phone-17.abc_9"
    for odd in ("short", "x" * 65, "has space in it", 'quote"quote"'):
        answer = await app_client.get("/nope", headers={"x-request-id": odd})
        assert answer.headers["x-request-id"] != odd
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_head_is_get_without_the_body(app_client: httpx.AsyncClient) -> None:
    answer = await app_client.head("/health/live")
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-length"] == str(len((await app_client.get("/health/live")).content))


async def test_error_types_can_be_looked_up(app_client: httpx.AsyncClient) -> None:
    for code, kind in CATALOGUE.items():
        answer = await app_client.get(f"/errors/{code}")
        assert answer.json() == {"code": code, "status": kind.status, "zh": kind.zh, "en": kind.en}


async def test_readiness_names_each_part(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection, services: Services
) -> None:
    ready = await app_client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "object_store": "ok"},
    }
    await truth.execute("UPDATE alembic_version SET version_num = '0000'")
    problem = refused(await app_client.get("/health/ready"), 503, "not_ready")
    assert problem["checks"] == {"database": "ok", "migrations": "failed", "object_store": "ok"}
    services.objects.close()
    problem = refused(await app_client.get("/health/ready"), 503, "not_ready")
    assert problem["checks"] == {"database": "ok", "migrations": "failed", "object_store": "failed"}
    assert (await app_client.get("/health/live")).status_code == 200


async def test_a_database_that_cannot_be_reached_is_not_an_internal_error(settings_of_test: Settings) -> None:
    url = urlsplit(settings_of_test.database_url)
    assert url.hostname is not None
    wire = await Wire.lay(url.hostname, url.port or 5432)
    through = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{wire.port}"))
    app = create_app(replace(settings_of_test, database_url=urlunsplit(through)))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://onegrid.test") as client:
        await app.state.services.objects.ensure_bucket()
        headers = {"Authorization": "Bearer aaaaaaaaaaaaaaaaaaaaaa"}
        refused(await client.get("/v1/registry", headers=headers), 401, "token_unknown")
        await wire.cut()
        answer = await client.get("/v1/registry", headers=headers)
        refused(answer, 503, "not_ready")
        assert answer.headers["retry-after"] == "5"
        checks = refused(await client.get("/health/ready"), 503, "not_ready")["checks"]
        assert checks == {"database": "failed", "migrations": "failed", "object_store": "ok"}
        await wire.mend()
        refused(await client.get("/v1/registry", headers=headers), 401, "token_unknown")
        await wire.cut()


class Wire:
    """The network between the application and its database; it can be cut and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @classmethod
    async def lay(cls, host: str, port: int) -> Wire:
        wire = cls(host, port)
        await wire.mend()
        return wire

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._ends |= {writer, far_writer}
        with suppress(OSError):
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
        writer.close()


async def test_answers_are_compressed_as_the_client_asks(app_client: httpx.AsyncClient) -> None:
    plain = (await app_client.get("/schema/openapi.json", headers={"accept-encoding": "identity"})).content
    for accepted, coding in [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("zstd;q=0, gzip;q=0", None),
        ("*", "zstd"),
        ("br", None),
        ("gzip;q=abc", None),
    ]:
        async with app_client.stream("GET", "/schema/openapi.json", headers={"accept-encoding": accepted}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers.get("content-encoding") == coding, accepted
        assert answer.headers["vary"] == "Accept-Encoding, Available-Dictionary"
        assert int(answer.headers["content-length"]) == len(raw)
        decoded = {"gzip": gzip.decompress, "zstd": zstandard.ZstdDecompressor().decompress, None: bytes}[coding](raw)
        assert decoded == plain


async def test_the_openapi_document_shows_what_travels_in_lines_of_its_own(app_client: httpx.AsyncClient) -> None:
    schemas = (await app_client.get("/schema/openapi.json")).json()["components"]["schemas"]
    assert schemas["ChangeSet"]["properties"]["changes"]["items"] == {"$ref": "#/components/schemas/Change"}
    assert schemas["ExchangeRequest"]["properties"]["salvage"]["items"] == {"$ref": "#/components/schemas/ItemBody"}
    assert schemas["Change"]["required"] == ["op", "item", "type", "capture"]
    assert {"Capture", "Fix", "Transition", "LegacyCode"} <= schemas.keys()


async def test_the_openapi_document_has_the_schema_of_the_catalogue(app_client: httpx.AsyncClient) -> None:
    document = (await app_client.get("/schema/openapi.json")).json()
    answer = document["paths"]["/v1/catalogue"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["anyOf"][0] == {"$ref": "#/components/schemas/Catalogue"}
    schemas = document["components"]["schemas"]
    assert list(schemas["ItemType"]["properties"]) == [one.encode_name for one in msgspec.structs.fields(ItemType)]
    assert schemas["Change"]["properties"].keys() >= {"op", "base"}, "not what a version of the catalogue changed"


async def test_the_openapi_document_promises_problems_and_names_the_token(app_client: httpx.AsyncClient) -> None:
    document = (await app_client.get("/schema/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    tags = {tag["name"] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}, (method, path)
            assert "status_code" not in json.dumps(operation), (method, path)
            assert operation["summary"], (method, path)
            assert set(operation["tags"]) <= tags, (method, path)
    open_to_all = {
        "/v1/token",
        "/v1/enrol",
        "/v1/enrol/fork",
        "/v1/exchange/dictionary",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/errors/{code}",
    }
    for path, operations in document["paths"].items():
        secured = [operation.get("security") == [{"bearer": []}] for operation in operations.values()]
        assert all(secured) != (path in open_to_all), path


async def test_metrics_count_by_route_and_not_by_path(app_client: httpx.AsyncClient) -> None:
    await app_client.get("/errors/not_found")
    await app_client.get("/secret-path-of-somebody")
    text = (await app_client.get("/metrics")).text
    assert 'route="/errors/{code}"' in text
    assert 'route="none"' in text
    assert "secret-path-of-somebody" not in text
    for name in ("change_sets", "changes", "pulled_entries", "auth_failures", "evidence"):
        assert f"onegrid_{name}_total" in text


@pytest.mark.usefixtures("small_town")
async def test_the_log_has_one_line_a_request_and_no_personal_value(
    app_client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger().addHandler(caplog.handler)
    with caplog.at_level(logging.DEBUG):
        access = (await sign_in(app_client, town.WORKER_EAST.phone)).json()["access"]
        await app_client.get("/v1/registry?secret=341103199001011234", headers={"Authorization": f"Bearer {access}"})
        await sign_in(app_client, town.WORKER_EAST.phone, "Secret-Password-1")
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in requests] == [
        ("POST", "/v1/token", 200),
        ("GET", "/v1/registry", 200),
        ("POST", "/v1/token", 401),
    ]
    assert requests[1]["user_id"] == str(town.WORKER_EAST.id)
    assert all(len(line["request_id"]) == 24 and line["ms"] > 0 for line in requests)
    for secret in (access, town.WORKER_EAST.phone, town.PASSWORD, "Secret-Password-1", "341103199001011234"):
        assert secret not in str(lines)


async def test_an_internal_error_tells_neither_client_nor_log_what_it_quotes(
    app: Litestar, app_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails() -> None:
        raise ValueError("张三 13800000001")

    monkeypatch.setattr(type(app.state.services.registry_holder), "refresh", lambda self: fails())
    monkeypatch.setattr("server.usecases.sessions.sessions.load_caller", lambda *_: _somebody())
    logging.getLogger().addHandler(caplog.handler)
    answer = await app_client.get("/v1/registry", headers={"Authorization": "Bearer aaaaaaaaaaaaaaaaaaaaaa"})
    problem = refused(answer, 500, "internal_error")
    assert "张三" not in str(problem)
    logged = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    assert any(line["event"] == "internal_error" and line["errors"] == ["builtins.ValueError"] for line in logged)
    assert "张三" not in str(logged)


def test_a_librarys_error_is_logged_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    try:
        raise KeyError("张三 13800000001")
    except KeyError:
        logging.getLogger("some.library").exception("it failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["errors"] == ["builtins.KeyError"]
    assert json.loads(line)["event"] == "it failed"
    assert "张三" not in line


async def _somebody() -> Any:
    from uuid import UUID

    from server.db.sessions import CallerRow

    nobody = UUID(int=0)
    return CallerRow(nobody, "user", nobody, None, "", False, False, False, False, ())


async def test_requests_at_the_same_time_keep_their_own_ids(app_client: httpx.AsyncClient) -> None:
    ids = [f"request-{i:04d}" for i in range(50)]
    answers = await asyncio.gather(*(app_client.get("/nope", headers={"x-request-id": one}) for one in ids))
    assert [answer.json()["request_id"] for answer in answers] == ids
