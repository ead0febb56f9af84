"""How a request's body is read: whatever arrives, it is decoded or refused with a reason."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import SerializationException

from server.errors import Problem

_JSON = ("application/json", "")


class ApiRequest(Request[Any, Any, Any]):
    """A request whose JSON body is bounded, of the declared type, and decoded without surprises."""

    __slots__ = ()

    async def json(self) -> Any:
        """The decoded body. Raises Problem: encoding_unknown, body_malformed."""
        media_type = self.content_type[0]
        if media_type not in _JSON and not media_type.endswith("+json"):
            raise Problem("encoding_unknown")
        if self.headers.get("content-encoding", "identity") != "identity":
            raise Problem("encoding_unknown")
        try:
            return await super().json()
        except (SerializationException, RecursionError, UnicodeError):
            raise Problem("body_malformed") from None
