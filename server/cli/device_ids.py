"""A device as it is named at the command line: by its id, or by how that begins."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from server.usecases.conflict_access import SHORTEST_PREFIX, id_range

IdArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="设备编号,或其前 6 位以上 / id of the device, or its first 6 digits or more"),
]


def device_ids(text: str) -> tuple[UUID, UUID]:
    """The lowest and the highest id that is meant. Raises typer.BadParameter."""
    try:
        return id_range(text)
    except ValueError:
        raise typer.BadParameter(
            f"请写设备编号或其前 {SHORTEST_PREFIX} 位以上 / give the id or at least its first {SHORTEST_PREFIX} digits",
            param_hint="ID",
        ) from None
