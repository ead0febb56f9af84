"""What the commands about photos are told."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

import typer

from server.cli.case_options import read_ids

_SHORTEST = 6
_HEX_DIGITS = 64
_NAME = re.compile(rf"([0-9a-f]{{{_SHORTEST},{_HEX_DIGITS}}})(?:-[0-9]+)?")

PhotoArgument = Annotated[
    str,
    typer.Argument(
        metavar="SHA256",
        help="照片的 SHA-256,或其前 6 位以上 / SHA-256 of the photo, or its first 6 digits or more",
    ),
]
ItemOption = Annotated[
    str | None,
    typer.Option("--item", metavar="ID", help="事项编号或其开头 / an item, or how its id begins", show_default=False),
]


def read_photo(text: str) -> tuple[bytes, bytes]:
    """The least and the greatest SHA-256 that begin so. Raises BadParameter."""
    matched = _NAME.fullmatch(text.lower())
    if matched is None:
        raise typer.BadParameter(
            f"请写 SHA-256 或其前 {_SHORTEST} 位以上 / give the SHA-256 or at least its first {_SHORTEST} digits",
            param_hint="SHA256",
        )
    return bytes.fromhex(matched[1].ljust(_HEX_DIGITS, "0")), bytes.fromhex(matched[1].ljust(_HEX_DIGITS, "f"))


def read_item(text: str | None) -> tuple[UUID, UUID] | None:
    """The range of items whose ids begin so. Raises BadParameter."""
    return read_ids(text, "--item") if text is not None else None
