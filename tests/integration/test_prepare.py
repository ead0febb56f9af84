"""What is told before anything serves."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from server.prepare import PrepareError, prepare


async def test_another_master_key_is_refused_in_one_sentence(settings_of_test):
    await asyncio.to_thread(prepare, settings_of_test)
    await asyncio.to_thread(prepare, settings_of_test)
    with pytest.raises(PrepareError, match="ONEGRID_MASTER_KEY"):
        await asyncio.to_thread(prepare, replace(settings_of_test, master_key=b"x" * 32))
