"""What was found on the audit trail, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from schemas.auditing import Break, BreakKind
from server.cli.field_values import printable
from server.usecases.audit_checking import Verified
from server.usecases.audit_export import TrailExported
from server.usecases.audit_file import FileVerified

WORDS: dict[BreakKind, tuple[str, str]] = {
    "row_altered": ("记录被改动", "a row was altered"),
    "row_removed": ("记录被删除", "a row was removed"),
    "row_inserted": ("记录未经链接而插入", "a row was put in and never linked"),
    "row_late": ("记录事后补入,时间早于当时的封存", "a row was put in later than the time that it gives"),
    "set_altered": ("变更集或其版本被改动", "a change set or its revisions were altered"),
    "set_removed": ("变更集被删除", "a change set was removed"),
    "set_inserted": ("变更集未经链接而插入", "a change set was put in and never linked"),
    "link_altered": ("链接被改动或调换", "a link was altered, or links changed places"),
    "link_removed": ("链接被删除", "a link was removed"),
    "link_inserted": ("链接被插入", "a link was put in"),
    "seal_altered": ("封存被改动", "a seal was altered"),
    "seal_removed": ("封存被删除", "a seal was removed"),
    "tail_cut": ("末尾被截去,少于对象存储中的进度", "the end was cut off: the object store knows of more"),
    "sealing_behind": ("封存停滞,请检查后台任务", "nothing was sealed for long: look at the job process"),
    "checkpoint_missing": ("对象存储中的进度缺失", "a checkpoint is missing from the object store"),
    "checkpoint_behind": ("对象存储中的进度滞后", "the checkpoint in the object store is behind"),
    "checkpoint_altered": ("对象存储中的进度被改动", "a checkpoint in the object store was altered"),
    "checkpoint_differs": ("封存与对象存储中的进度不符", "a seal is not the one that the object store knows"),
    "file_altered": ("文件被改动,签名不符", "the file was altered: its signature does not fit"),
    "file_cut": ("文件不完整,没有签名", "the file ends before its signature"),
}


def print_verified(found: Verified) -> None:
    """What was checked of the whole trail."""
    console = Console()
    for one in found.lost:
        console.print(Text(_lost(one.epoch, one.begins, one.ends)), soft_wrap=True)
    _print_breaks(console, found.breaks, found.more)
    told = f"记录 rows: {found.rows}  链 chains: {found.chains}  封存 seals: {found.seals}"
    console.print(Text(f"{told}  待封存 waiting: {found.waiting}\n公钥 public key: {found.public_key}"), soft_wrap=True)


def print_file(found: FileVerified) -> None:
    """What was checked of an exported file."""
    console = Console()
    _print_breaks(console, found.breaks, found.more)
    told = f"记录 rows: {found.rows}  链接 links: {found.links}  链 chains: {found.chains}"
    console.print(Text(f"{told}\n公钥 public key: {printable(found.public_key or '—')}"), soft_wrap=True)


def print_exported(exported: TrailExported, path: str) -> None:
    """What the file holds."""
    told = f"记录 rows: {exported.rows}  只留哈希 as hashes alone: {exported.links}"
    key = f"公钥 public key: {exported.public_key}"
    Console().print(Text(f"{told}\n{key}\n{printable(path)}"), soft_wrap=True)


def _print_breaks(console: Console, breaks: Sequence[Break], more: int) -> None:
    if not breaks:
        console.print("完好 / whole: 没有任何改动 nothing was altered")
    for one in breaks:
        zh, en = WORDS[one.kind]
        console.print(Text(f"{zh} / {en}: {', '.join(_places(one))}"), soft_wrap=True)
    if more:
        console.print(f"另有 / and {more} 处 more")


def _places(one: Break) -> Iterator[str]:
    if one.audit_id is not None:
        yield f"记录 row {one.audit_id}"
    if one.set_no is not None:
        yield f"变更集 change set {one.set_no}"
    if one.chain is not None:
        yield f"链 chain {printable(one.chain)}" + (f" #{one.seq}" if one.seq is not None else "")
    if one.seal is not None:
        yield f"封存 seal {one.seal}"
    if one.count is not None:
        yield f"{one.count} 条 of them"
    if one.object is not None:
        yield f"对象 object {printable(one.object)}"


def _lost(epoch: str, begins: int, ends: int) -> str:
    return (
        f"纪元 {epoch} 的封存 {begins}–{ends} 随恢复而失去 / "
        f"seals {begins}–{ends} of epoch {epoch} were lost when the database was restored"
    )
