"""Which versions of the catalogue are still in use, and the command about them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import httpx

from schemas.catalogue import document
from schemas.wire import Clock, ExchangeRequest
from server.services import Services
from server.usecases.catalogue_usage import read_usage
from sync.framing import encode_request
from tests.builders import MATE, NEIGHBOUR, WORKER, build_city, enrol
from tests.integration.terminal import shell
from tests.phones import FieldPhone, field_phone


async def say(phone: FieldPhone, version: str) -> None:
    request = ExchangeRequest(
        device=phone.device_id, clock=Clock(datetime.now(UTC), 1, "boot"), catalogue=version, registry=1
    )
    content = encode_request(request, [], phone.form)
    answer = await phone.client.post("/v1/exchange", content=content, headers=phone.headers)
    assert answer.status_code == 200, answer.text


async def test_versions_are_counted_by_what_devices_last_said(
    services: Services, app_client: httpx.AsyncClient
) -> None:
    await build_city(services)
    current = services.catalogue.version
    await (await enrol(services, WORKER)).report("0103")
    old, new = await field_phone(services, app_client, MATE), await field_phone(services, app_client, NEIGHBOUR)
    await say(old, current)
    await say(old, "2024.1")
    await say(new, current)
    await say(new, "nonsense")
    found = await read_usage(services)
    told = [(one.version, one.standing, one.devices, one.changes) for one in found.versions]
    assert told == [(current, "current", 1, 1), ("2024.1", "accepted", 1, 0), (None, "unknown", 1, 0)]
    assert found.held == 0


async def test_the_command(environ: dict[str, str], services: Services, tmp_path: Path) -> None:
    used = await shell(environ, "catalogue", "usage", "--json")
    assert used.status == 0, used.err
    assert json.loads(used.out)["current"] == services.catalogue.version
    raw = json.loads(document())
    raw["catalogue_version"] = "2025.1"
    file = tmp_path / "next.json"
    file.write_text(json.dumps(raw))
    same = await shell(environ, "catalogue", "diff", services.catalogue.version, str(file), "--json")
    assert same.status == 0, same.err
    assert json.loads(same.out)["differences"] == []
    raw["categories"][0]["items"][0]["lead_department"] = "nobody"
    file.write_text(json.dumps(raw))
    faulty = await shell(environ, "catalogue", "diff", services.catalogue.version, str(file), "--json")
    assert (faulty.status, json.loads(faulty.out)["error"]["code"]) == (1, "catalogue_faulty")
    unknown = await shell(environ, "catalogue", "diff", "1999.1", "2024.2")
    assert unknown.status == 2
    shown = await shell(environ, "catalogue", "show", "--type", "0103")
    assert (shown.status, "manager" in shown.out) == (0, True)
