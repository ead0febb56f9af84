"""What goes wrong inside over a change set is told by its kind and place; nothing that it quotes reaches a log."""

from __future__ import annotations

import logging

import httpx
import pytest

from server.services import Services
from server.usecases import push
from tests.builders import WORKER, build_city, form
from tests.phones import field_phone


async def test_a_set_that_the_server_fails_over_leaves_no_value_in_a_log(
    services: Services,
    app_client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await build_city(services)
    phone = await field_phone(services, app_client, WORKER)
    phone.create("0102", form("0102") | {"owner_name": "欧阳晓静"})
    phone.seal()

    def failing(changes: list[tuple[object, object]], *_: object, **__: object) -> None:
        raise ValueError(str(changes[0]))

    monkeypatch.setattr(push, "decide_set", failing)
    logging.getLogger().addHandler(caplog.handler)
    with caplog.at_level(logging.DEBUG):
        (answer, *_) = await phone.sync()
    assert [(one.status, one.code) for one in answer.receipts] == [("quarantined", "set_internal_error")]
    logged = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    assert [line["error"] for line in logged if line["event"] == "change_set_failed"] == ["ValueError"]
    assert "欧阳" not in str([record.getMessage() for record in caplog.records])
