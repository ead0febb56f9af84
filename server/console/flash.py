"""A message that waits for the next page: what was just done, and what can be taken back."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Literal

from litestar import Request
from msgspec import MsgspecError, Struct, json

from server.console import cookies


class Flash(Struct, frozen=True, array_like=True):
    """A message in the reader's language; `undo` names the revision whose approval its button takes back."""

    kind: Literal["done", "refused"]
    words: str
    undo: str = ""

    def packed(self) -> str:
        """As a cookie holds it."""
        return urlsafe_b64encode(json.encode(self)).decode()


def take_flash(request: Request[Any, Any, Any]) -> Flash | None:
    """The message that waits, if any; a cookie that we did not write is none."""
    packed = request.cookies.get(cookies.FLASH, "")
    try:
        return json.decode(urlsafe_b64decode(packed.encode()), type=Flash) if packed else None
    except (ValueError, MsgspecError):
        return None
