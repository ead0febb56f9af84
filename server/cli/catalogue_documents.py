"""Documents of the catalogue as commands name them: by a version, or by a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schemas.catalogue import CURRENT, document
from schemas.previous import PREVIOUS, version_order
from server.cli.context import with_services
from server.usecases.publishing_catalogue import document_of

PACKAGED = (CURRENT, *PREVIOUS)

VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION|FILE", help="版本号或目录文件 / a version, or a file that holds one")
]


def read_document(named: str, hint: str, data: Path | None) -> bytes:
    """One that comes with the program, a file, or one that was published here; only the last needs a database.

    Raises typer.BadParameter where it is none of them.
    """
    if named in PACKAGED:
        return document(named)
    if Path(named).is_file():
        return Path(named).read_bytes()
    found = with_services(data, lambda services: document_of(services, named)) if version_order(named) else None
    if found is None:
        known = ", ".join(PACKAGED)
        raise typer.BadParameter(f"没有这个版本或文件 / no such version or file; {known}", param_hint=hint)
    return found
