"""What the driver raises where the database has gone away."""

from __future__ import annotations

from typing import Final

import asyncpg

LOST: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # The driver's word for a connection that died between two of its messages.
    asyncpg.InternalClientError,
)
"""For work that can be left undone, or begun anew on another connection."""
