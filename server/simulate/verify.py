"""Looks at the server when everything is at rest, and holds what is found against the ledger and the phones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

from server.simulate.check import Finding, diverged, duplicated, lost
from server.simulate.demo_file import Demo
from server.simulate.ledger import Ledger
from server.simulate.look_pull import holdings_of, pull_scopes, truth_of
from server.simulate.look_sql import Beginning, SqlView
from server.simulate.net import Net
from server.simulate.truth import Holding, Truth, holding_of
from server.simulate.worker import Worker
from sync.device import Device

_MORE_LOOKS = 3
_SECONDS_BETWEEN_LOOKS = 0.7

Look = tuple[Truth, dict[UUID, Holding]]
"""What the server holds, and by device what the phone should hold."""


class Inspector(Protocol):
    """A way to look at the server beside the phones."""

    async def look(self, workers: Sequence[Worker], doubtful: Sequence[Worker]) -> Look:
        """Look now; `doubtful`: those whose phones must not be judged by an earlier look."""
        ...


class SqlInspector:
    """Looks into the database."""

    def __init__(self, view: SqlView, ledger: Ledger, began: Beginning) -> None:
        self._view, self._ledger, self._began = view, ledger, began

    async def look(self, workers: Sequence[Worker], doubtful: Sequence[Worker]) -> Look:
        """All anew, of one instant."""
        devices = {worker.phone.device_id: worker.user for worker in workers}
        return await self._view.look(self._ledger, devices, self._began)


class PullInspector:
    """Looks through a new phone of each worker."""

    def __init__(self, net: Net, demo: Demo, ledger: Ledger, known: set[UUID]) -> None:
        self._net, self._demo, self._ledger, self._known = net, demo, ledger, known
        self._fresh: dict[UUID, Device] = {}

    async def look(self, workers: Sequence[Worker], doubtful: Sequence[Worker]) -> Look:
        """From zero for the doubtful ones."""
        users = dict.fromkeys(worker.user for worker in doubtful)
        fresh = self._fresh
        fresh |= await pull_scopes(self._net, self._demo, users, workers[0].phone.clock.clock())
        receipts = {device: by_no for worker in workers for device, by_no in worker.phone.receipts().items()}
        devices = {worker.phone.device_id: worker.user for worker in workers}
        return truth_of(self._ledger, receipts, fresh.values(), self._known), holdings_of(devices, fresh)


async def verify(
    inspector: Inspector, ledger: Ledger, workers: Sequence[Worker], pull: Callable[[Sequence[Worker]], Awaitable[None]]
) -> list[Finding]:
    """All findings. What differs counts if it still does when jobs had time to rest and phones have pulled again."""
    truth, wanted = await inspector.look(workers, workers)
    for _ in range(_MORE_LOOKS):
        doubtful = [worker for worker in workers if _apart(worker, wanted)]
        if not doubtful:
            break
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
        await pull(doubtful)
        truth, wanted = await inspector.look(workers, doubtful)
    apart = [one for worker in workers for one in _apart(worker, wanted)]
    contradictions = [
        Finding("duplicated", f"device {worker.phone.device_id}", "two receipts of one set differ")
        for worker in workers
        for _ in range(worker.phone.contradictions)
    ]
    return [*lost(ledger, truth), *duplicated(ledger, truth), *contradictions, *apart]


def _apart(worker: Worker, wanted: dict[UUID, Holding]) -> list[Finding]:
    device = worker.phone.device_id
    return diverged(device, holding_of(worker.phone.device), wanted[device])
