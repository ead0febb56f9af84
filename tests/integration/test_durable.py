"""A receipt leaves only after the commit, and what is committed together with it is on the disk by then."""

from __future__ import annotations

import asyncpg
import pytest

from server.services import Services
from tests.builders import WORKER, build_city, form
from tests.phones import FieldPhone, field_phone

# Once a set is kept: how its transaction will commit, as seen at its very end.
NOTED = """
    CREATE TABLE noted (setting text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO noted VALUES (current_setting('synchronous_commit')); RETURN NULL; END
    $$;
    CREATE CONSTRAINT TRIGGER noting AFTER INSERT ON change_set DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION note();
"""
# The commit that a set is kept in fails, for a reason that a retry cures.
FAILING = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full'; END
    $$;
    CREATE CONSTRAINT TRIGGER failing AFTER INSERT ON change_set DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION fail();
"""
STANDING = ("change_set", "item", "revision", "feed", "quarantine")


@pytest.fixture
async def phone(services: Services, app_client: object) -> FieldPhone:
    await build_city(services)
    phone = await field_phone(services, app_client, WORKER)  # type: ignore[arg-type]
    phone.create("0102", form("0102"))
    phone.seal()
    return phone


async def counts(truth: asyncpg.Connection) -> dict[str, int]:
    return {table: await truth.fetchval(f"SELECT count(*) FROM {table}") for table in STANDING}


async def test_the_commit_of_a_receipt_waits_for_the_disk(phone: FieldPhone, truth: asyncpg.Connection) -> None:
    await truth.execute(NOTED)
    (answer, *_) = await phone.sync()
    assert [receipt.status for receipt in answer.receipts] == ["decided"]
    assert [row["setting"] for row in await truth.fetch("SELECT setting FROM noted")] == ["on"]


async def test_where_the_commit_fails_there_is_neither_receipt_nor_effect(
    phone: FieldPhone, truth: asyncpg.Connection
) -> None:
    await truth.execute(FAILING)
    _, response = await phone.send()
    assert response.status_code == 503
    assert await counts(truth) == dict.fromkeys(STANDING, 0)
    await truth.execute("DROP TRIGGER failing ON change_set")
    (answer, *_) = await phone.sync()
    assert [one.outcome for receipt in answer.receipts for one in receipt.outcomes] == ["applied"]
    assert await counts(truth) == {"change_set": 1, "item": 1, "revision": 1, "feed": 1, "quarantine": 0}
