"""Passwords: Argon2id (RFC 9106) with the library's parameters, a few at a time, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# One hash takes 64 MiB; a burst of sign-ins waits in line rather than taking the machine's memory.
_AT_ONCE = 2

_hasher = PasswordHasher()
_threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")


@cache
def _nobody() -> str:
    """Verified where there is no account, so that the time taken does not tell whether there is one."""
    return _hasher.hash("nobody has this password")


class PasswordDesk:
    """Lets a few sign-ins through at a time."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None, None]:
        """Wait for a turn; attempts are counted inside, so that those waiting do not use up the limit."""
        async with self._places:
            yield

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is the one behind the hash; without a hash it takes as long and says no."""
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(_threads, _verify, password_hash, password)
        return right and password_hash is not None


def hash_password(password: str) -> str:
    """The Argon2id hash to be stored. Takes tens of milliseconds."""
    return _hasher.hash(password)


def _verify(password_hash: str | None, password: str) -> bool:
    try:
        return _hasher.verify(password_hash or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
