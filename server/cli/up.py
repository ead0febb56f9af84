"""`onegrid up`: reads its options, then becomes the supervisor."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from server.settings import variable


def up(
    host: Annotated[
        str | None, typer.Option(help="监听地址 / address to listen on [127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="监听端口 / port [8000]", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="数据文件夹 / data folder [onegrid-data]", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="服务器进程数 / server processes [1]", show_default=False)
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TLS 证书（PEM）/ TLS certificate (PEM)")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TLS 私钥（PEM）/ TLS key (PEM)")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="在空文件夹上演示一个工作日 / play a working day on an empty folder")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="演示后停止 / stop after the demo; exit 0 or 1")] = False,
) -> None:
    """启动整个服务器，包括自带的 PostgreSQL 与 S3 / run the whole server, PostgreSQL and S3 included."""
    if once and not demo:
        raise typer.BadParameter("--once 须与 --demo 同用 / goes with --demo", param_hint="--once")
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("须与 --tls-key 同用 / goes with --tls-key", param_hint="--tls-cert")
    given = {"host": host, "port": port, "data": data, "workers": workers}
    given |= {"tls_cert": tls_cert and tls_cert.absolute(), "tls_key": tls_key and tls_key.absolute()}
    chosen = {variable(name): str(value) for name, value in given.items() if value is not None}
    flags = [*(["--demo"] if demo else []), *(["--once"] if once else [])]
    # The supervisor replaces this process: what the command line imported would stay in memory with it.
    os.execve(  # noqa: S606 - no shell is wanted
        sys.executable,
        [sys.executable, "-P", "-m", "server.embedded", *flags],
        _customs(demo) | dict(os.environ) | chosen,
    )


def _customs(demo: bool) -> dict[str, str]:
    """What a person at a terminal would set: logs to be read by eye, and none between him and the demo's table."""
    customs = {"log_format": "console"} if sys.stderr.isatty() else {}
    if demo:
        customs["log_level"] = "warning"
    return {variable(name): value for name, value in customs.items()}
