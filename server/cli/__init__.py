"""The command `onegrid`. Each command's module is loaded only when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

from server.embedded.words import StartError
from server.errors import Problem
from server.settings import SettingsError

COMMANDS = {
    "up": "server.cli.up",
    "settings": "server.cli.settings",
    "device": "server.cli.device",
    "simulate": "server.cli.simulate",
    "rehearse": "server.cli.rehearse",
    "conflict": "server.cli.conflict",
    "registry": "server.cli.registry",
    "crosswalk": "server.cli.crosswalk",
    "user": "server.cli.user",
    "item": "server.cli.item",
    "case": "server.cli.case",
    "evidence": "server.cli.evidence",
    "key": "server.cli.key",
    "retention": "server.cli.retention",
    "bench": "server.cli.bench",
    "backup": "server.cli.backup",
    "restore": "server.cli.restore",
    "epoch": "server.cli.epoch",
    "audit": "server.cli.audit",
    "quarantine": "server.cli.quarantine",
    "catalogue": "server.cli.catalogue",
    "doctor": "server.cli.doctor",
}

_ABOUT = """一张网:城市网格员的离线优先同步服务 / OneGrid: offline-first sync for city grid workers

先运行 onegrid up;每个命令都有 --help / Begin with onegrid up; every command has --help.

退出码 / Exit status: 0 完成 done, 1 失败或被拒绝 failed or refused, 2 用法错误 wrong usage
"""


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; its exit status. What is refused is one sentence on stderr, one document with `--json`."""
    try:
        _build(arguments)(arguments, prog_name="onegrid")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except Problem as problem:
        _refuse(problem.code, problem.zh, problem.en, problem.field, "--json" in arguments)
    except (StartError, SettingsError) as error:
        zh, _, en = str(error).partition(" / ")
        _refuse("not_ready", zh, en, None, "--json" in arguments)
    return 1


def _build(arguments: list[str]) -> typer.Typer:
    app = typer.Typer(
        help=_ABOUT, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
    )
    app.callback()(_root)
    asked = arguments[0] if arguments else ""
    for name in [asked] if asked in COMMANDS else COMMANDS:
        _add(app, name)
    return app


def _add(app: typer.Typer, name: str) -> None:
    module = import_module(COMMANDS[name])
    group = getattr(module, "app", None)
    if group is None:
        app.command(name)(getattr(module, name))
    else:
        app.add_typer(group, name=name)


def _root(
    _: Annotated[
        bool, typer.Option("--version", help="版本 / version", is_eager=True, callback=lambda on: _version(on))
    ] = False,
) -> None: ...


_root.__doc__ = _ABOUT


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"onegrid {version('onegrid')}\n")
        raise typer.Exit


def _refuse(code: str, zh: str, en: str, field: str | None, as_json: bool) -> None:
    if as_json:
        import msgspec

        document = {"error": {"code": code, "field": field, "zh": zh, "en": en}}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    where = f" ({field})" if field else ""
    sys.stderr.write(f"onegrid: {zh} / {en}{where}\n")
