"""The OpenAPI document: what the framework derives from the handlers, and what it cannot know."""

from __future__ import annotations

from typing import Any, cast

from litestar import Request, Router
from litestar._openapi.plugin import handle_schema_path_not_found  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Server, Tag
from msgspec import json

from schemas.accounts import ProblemDocument
from schemas.catalogue import Catalogue
from schemas.wire import Bits64, Change, ChangeSet, ExchangeAnswer, ExchangeRequest, ItemBody
from server.api.uploads import OFFSET_STREAM
from server.api.uploads import PATH as UPLOADS
from server.problems import MEDIA_TYPE

_METHODS = frozenset({"get", "put", "post", "delete", "patch"})

_TAGS = [
    Tag("enrolment", "设备注册与令牌 Devices and tokens"),
    Tag("exchange", "同步 Exchange of change sets and streams"),
    Tag("catalogue", "事项目录 Item types"),
    Tag("registry", "网格 Grids"),
    Tag("evidence", "照片证据 Photos"),
    Tag("items", "事项 Items"),
    Tag("review", "审核 Reviews"),
    Tag("case", "案件 Cases"),
    Tag("operation", "运行 Health and metrics"),
]


class _SchemaRouter(Router):
    """Without the framework's HTML page for unknown paths: these are refused like all others."""

    def register(self, value: Any) -> list[Any]:
        """Take every handler but that one."""
        if getattr(value, "fn", None) is handle_schema_path_not_found:
            return []
        return list(super().register(value))


class _Completed(JsonRenderPlugin):
    """Adds to every operation the problem document as the answer to all that is refused."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type="application/json")  # pyright: ignore[reportArgumentType]
        self._rendered: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document, built once."""
        if self._rendered is None:
            self._rendered = json.encode(completed(json.decode(self.render_json(request, openapi_schema))))
        return self._rendered


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the problem response in place of the framework's own error bodies."""
    problem, request, answer, catalogue, *_ = _add_schemas(
        document, ProblemDocument, ExchangeRequest, ExchangeAnswer, Catalogue, ChangeSet, Change, ItemBody
    )
    _describe_raw(document["components"]["schemas"])
    document["components"]["responses"] = {
        "Problem": {
            "description": "被拒绝:RFC 9457 问题文档 Refused: an RFC 9457 problem document",
            "content": {MEDIA_TYPE: {"schema": problem}},
        }
    }
    _describe_exchange(document["paths"]["/v1/exchange"]["post"], request, answer)
    _describe_catalogue(document["paths"]["/v1/catalogue"]["get"], catalogue)
    _describe_uploads(document["paths"])
    for path in document["paths"].values():
        for method in _METHODS & set(path):
            _complete_operation(cast("dict[str, Any]", path[method]))
    return document


def _complete_operation(operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    if _is_frameworks_own(responses.get("400")):
        del responses["400"]
    responses["default"] = {"$ref": "#/components/responses/Problem"}


def _is_frameworks_own(response: dict[str, Any] | None) -> bool:
    content: dict[str, Any] = (response or {}).get("content", {})
    return "status_code" in content.get("application/json", {}).get("schema", {}).get("properties", {})


def _describe_raw(schemas: dict[str, Any]) -> None:
    """What is read on its own, so that the types know nothing of it."""
    for holder, key, held in (("ChangeSet", "changes", "Change"), ("ExchangeRequest", "salvage", "ItemBody")):
        schemas[holder]["properties"][key]["items"] = {"$ref": f"#/components/schemas/{held}"}


def _describe_exchange(operation: dict[str, Any], request: dict[str, Any], answer: dict[str, Any]) -> None:
    """The handler reads and writes bytes, so the framework knows neither form of them."""
    packed = {"schema": {"type": "string", "contentMediaType": "application/msgpack"}}
    lines = "第一行为 ExchangeRequest,其后每行一个 ChangeSet First an ExchangeRequest, then a ChangeSet a line"
    operation["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {"schema": request},
            "application/x-ndjson": {"schema": {"type": "string", "description": lines}},
            "application/msgpack": packed,
        },
    }
    operation["responses"]["200"]["content"] = {"application/json": {"schema": answer}, "application/msgpack": packed}


def _describe_catalogue(operation: dict[str, Any], catalogue: dict[str, Any]) -> None:
    """The handler hands on the bytes of the document."""
    reduced = {
        "type": "object",
        "description": "有 lang 时只留一种语言 With lang, in one language: docs/catalogue.md",
    }
    operation["responses"]["200"]["content"] = {"application/json": {"schema": {"anyOf": [catalogue, reduced]}}}


def _describe_uploads(paths: dict[str, Any]) -> None:
    """What is told of an upload is in headers, and its bytes are read as they come."""
    body = {"content": {OFFSET_STREAM: {"schema": {"type": "string", "format": "binary"}}}}
    create, one = paths[UPLOADS]["post"], paths[f"{UPLOADS}/{{upload_id}}"]
    create["requestBody"], one["patch"]["requestBody"] = {"required": False} | body, {"required": True} | body
    told = {"Upload-Offset": "integer", "Upload-Expires": "string"}
    for operation, status, named in (
        (create, "201", {"Location": "string"} | told),
        (one["get"], "204", {"Upload-Length": "integer", "Upload-Metadata": "string"} | told),
        (one["patch"], "204", told),
    ):
        answer = operation["responses"][status]
        answer.pop("content", None)
        answer["headers"] = {name: {"schema": {"type": kind}} for name, kind in named.items()}


def _add_schemas(document: dict[str, Any], *types: type) -> tuple[dict[str, Any], ...]:
    """Schemas of types that no handler declares, among the components."""
    schemas, components = json.schema_components(
        types, schema_hook=_bits_schema, ref_template="#/components/schemas/{name}"
    )
    document["components"].setdefault("schemas", {}).update(components)
    return schemas


def _bits_schema(kind: type) -> dict[str, Any]:
    if kind is not Bits64:
        raise NotImplementedError
    return {"type": "string", "pattern": "^[0-9a-f]{16}$"}


def config(version: str) -> OpenAPIConfig:
    """Served at /schema/openapi.json."""
    return OpenAPIConfig(
        title="OneGrid 一张网",
        version=version,
        summary="城市网格员的离线优先同步服务 Offline-first sync for city grid workers",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        openapi_router=_SchemaRouter("/schema", route_handlers=[], include_in_schema=False),
        servers=[Server(url="/")],
        tags=_TAGS,
        use_handler_docstrings=True,
        render_plugins=[_Completed()],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http", scheme="bearer", description="访问令牌 The access token of 22 characters"
                )
            }
        ),
    )
