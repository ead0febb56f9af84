"""`onegrid settings`: every setting with its value now, its default and its meaning."""

import os
import sys
from typing import Annotated

import msgspec
import typer

from server.settings import Described, describe


def settings(
    as_json: Annotated[bool, typer.Option("--json", help="JSON")] = False,
) -> None:
    """列出全部设置 / list every setting, secrets hidden; exit 1 if one cannot be read."""
    described = describe(os.environ)
    if as_json:
        document = {"settings": [msgspec.to_builtins(one) for one in described]}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    else:
        sys.stdout.writelines(_line(one) for one in described)
    faults = [one.problem for one in described if one.problem]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    if faults:
        raise typer.Exit(1)


def _line(one: Described) -> str:
    unit = f" {one.unit}" if one.unit else ""
    default = f"  [{one.default}{unit}]" if one.default else ""
    return f"{one.name}={one.value}{default}\n    {one.zh} / {one.en}\n"
