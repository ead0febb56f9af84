"""`onegrid evidence`: photos, and those that have not come."""

from __future__ import annotations

import typer

from server.cli.evidence_checking import check
from server.cli.evidence_reading import list_, owing, show

app = typer.Typer(no_args_is_help=True)


@app.callback()
def evidence() -> None:
    """照片证据 / photos: where they are, what waits for them, which phones still owe them.

    \b
    照片以 SHA-256 和字节数识别。状态:
    declared   等待上传:手机已登记,还没有送来
    uploading  正在上传:已给手机上传地址
    stored     等待核验:字节已到,后台任务将读取核对
    verified   已核验
    refused    不合格:字节与登记不符,或不是照片;手机会再送
    审核通过和结案须等照片核验,见 list --waiting。

    A photo is known by its SHA-256 and size. Declared: still on the phone. Uploading: the phone has an address to send
    it to. Stored: its bytes are here, a job is to read them. Verified, or refused: they are not what was declared, or
    no photo; the phone sends it again. Approvals and closings wait for verified photos: `list --waiting`.

    \b
    例 / Examples:
      onegrid evidence list --as 13800000005 --older-than 1d
      onegrid evidence show 3f2a91 --as 13800000005
      onegrid evidence owing --as 13800000015
      onegrid evidence check --as 13800000005 --reason "久未核验 long waiting"
    """


app.command(name="list")(list_)
app.command()(show)
app.command()(owing)
app.command()(check)
