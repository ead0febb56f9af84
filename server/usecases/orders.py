"""What somebody asks to be done about a conflict."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from server.usecases.sessions import Caller


class Order(Struct, frozen=True, kw_only=True):
    """Who asks for what to be done about which conflict, why and when; a dry run writes nothing.

    `ids` is a range from `id_range`, so that the beginning of an id will do. `run`: it is done as a part of that run.
    """

    actor: Caller
    ids: tuple[UUID, UUID]
    reason: str
    now: datetime
    dry_run: bool = False
    run: UUID | None = None
