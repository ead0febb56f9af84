"""Every fault that a run may have, by name: what it is, and how often it happens.

A fault with odds happens by chance, whenever there is an occasion for it. One that `befalls` phones is planned: it
happens to a few of them, each on its day (`ordeals`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from random import Random
from typing import Literal

from msgspec import Struct

Fate = Literal[
    "fine", "request_lost", "body_cut", "answer_lost", "answer_cut", "answer_garbled", "answer_unstored", "doubled",
    "raced", "trickled",
]  # fmt: skip
"""What happens to one request that carries change sets."""

_UNHEARD = ("request_lost", "body_cut", "answer_lost", "answer_cut", "answer_garbled", "answer_unstored")
_DOUBLED = ("doubled", "raced", "trickled")
_MOST_IN_A_ROW = 6

ENOUGH = 12
"""From so many phones on, each fault that is asked for has to happen at least once."""


class Fault(Struct, frozen=True):
    """`usual`: its odds on a usual day, 0 for a fault that such a day has not; `all`: its odds where it is asked for.

    `office`: it needs the data folder of the server, as somebody at a desk has to act.
    """

    zh: str
    en: str
    usual: float = 0.0
    all: float = 0.0
    befalls: bool = False
    office: bool = False


FAULTS: dict[str, Fault] = {
    # Requests and answers.
    "request_lost": Fault("请求未到达服务器", "a request never arrives", 0.06, 0.06),
    "answer_lost": Fault("服务器已提交,应答丢失", "the answer is lost after the commit", 0.22, 0.1),
    "answer_applied_late": Fault("丢失的应答在更新的应答之后才到", "a lost answer comes after newer ones", 0.5, 0.5),
    "doubled": Fault("同一请求连发两次", "a request is sent twice", 0.04, 0.04),
    "raced": Fault("同一请求同时发两次", "a request is sent twice at once", 0.04, 0.04),
    "resent_later": Fault("旧请求隔日又到", "an old request arrives again a day later", 0.0, 0.5),
    "body_cut": Fault("请求体传到一半断线", "the line is cut in the middle of a request", 0.0, 0.05),
    "answer_cut": Fault("应答传到一半断线", "the line is cut in the middle of an answer", 0.0, 0.05),
    "answer_garbled": Fault("应答的字节损坏或截断", "bytes of an answer are damaged or missing", 0.0, 0.05),
    "trickled": Fault("请求体极慢地传来", "a request body comes in a slow trickle", 0.0, 0.04),
    "forms_mixed": Fault(
        "同一手机混用 JSON、MessagePack 与各种压缩", "a phone mixes JSON, MessagePack and codings", 0.0, 0.4
    ),
    "acknowledged_wrongly": Fault("确认号过大、过小或缺失", "acknowledged too much, too little, nothing", 0.0, 0.08),
    "nudges_dropped": Fault("提醒的长连接断开", "the stream of nudges is dropped", 0.0, 0.3),
    "day_offline": Fault("整天没有网络", "a day without a network", 0.22, 0.22),
    # Tokens and photos.
    "token_expired": Fault("访问令牌到期(按手机的钟)", "the access token runs out, by the phone's clock", 0.15, 0.25),
    "old_token_used": Fault("仍用旧的访问令牌", "the token before the last is used", 0.02, 0.02),
    "token_answer_lost": Fault("续期的应答丢失", "the answer to a refresh is lost", 0.35, 0.5),
    "enrolment_answer_lost": Fault("注册的应答丢失", "the answer to an enrolment is lost", 0.1, 0.5),
    "upload_cut": Fault("照片上传中断,却报已传", "a photo is cut off and said to have arrived", 0.1, 0.1),
    "append_cut": Fault("照片续传到一半断线", "the line is cut in the middle of an append", 0.15, 0.25),
    # The phone itself.
    "rebooted": Fault("重启:单调钟与启动号重来", "a reboot: another boot, the monotonic clock at zero", 0.3, 0.3),
    "clock_wrong": Fault("手机时间差数年", "the clock is wrong by years", 0.0, 0.4),
    "clock_jumped": Fault("手机时间突变", "the clock jumps", 0.0, 0.2),
    "zone_changed": Fault("手机时区改变", "the time zone changes", 0.0, 0.2),
    "app_killed": Fault("应答丢失时应用被关闭", "the app is killed while an answer is lost", 0.2, 0.3),
    "killed_unsent": Fault("封存之后、发送之前应用被关闭", "the app is killed between sealing and sending", 0.0, 0.2),
    "answer_unstored": Fault("收到应答、存储之前应用被关闭", "the app is killed before it stored an answer", 0.0, 0.05),
    "memory_older": Fault(
        "应用从较早的存储恢复(编号未变)", "the app goes on from an older memory of itself", 0.0, 0.15
    ),
    # What befalls some phones once.
    "memory_damaged": Fault("已下行内容损坏,须自行修复", "what was pulled is damaged, and is repaired", befalls=True),
    "bytes_lost": Fault("未发变更集的字节丢失(作废号)", "the bytes of a set are lost: it goes void", befalls=True),
    "oversized": Fault("变更过大:拆分或作废", "changes too large: split, or void", befalls=True),
    "poisoned": Fault("变更集内容不可读", "a set of bytes that nobody can read", befalls=True),
    "step_too_early": Fault("案件步骤不合当前状态", "a step of a case that is not there", befalls=True),
    "app_old": Fault("上一版事项目录的应用", "an app of the catalogue before", befalls=True),
    "app_too_old": Fault(
        "过旧的应用:暂停下行,更新后恢复", "an app too old: withheld, then updated", befalls=True
    ),
    "backup_restored": Fault(
        "手机从旧备份恢复,自动另立设备", "a phone restored from an old backup forks", befalls=True
    ),
    "grid_gained": Fault("当日增加网格", "a grid is gained in the middle of the day", befalls=True, office=True),
    "grid_lost": Fault("当日失去网格,仍有未发变更", "a grid is lost with edits unsent", befalls=True, office=True),
    "phone_wiped": Fault("设备停用并清除,先发完未发内容", "a phone is revoked and wiped", befalls=True, office=True),
    "holder_left": Fault("持机人离岗,仍有未发变更", "the holder leaves with edits unsent", befalls=True, office=True),
}  # fmt: skip

USUAL = {name: fault.usual for name, fault in FAULTS.items() if fault.usual}
"""The odds of a usual day."""


def chosen(names: str | None) -> dict[str, float]:
    """The odds of the faults that are asked for: `all`, `none`, or names with commas; None for a usual day.

    Raises KeyError for the first name that is none.
    """
    if names is None:
        return dict(USUAL)
    if names in ("all", "none"):
        return {name: fault.all for name, fault in FAULTS.items() if names == "all"}
    return {name: FAULTS[name].all for name in (one.strip() for one in names.split(","))}


class Luck:
    """The dice of one phone: separate ones for each kind of luck, so that none shifts another.

    `struck` counts what happened, for all phones together.
    """

    def __init__(self, seed: str, odds: Mapping[str, float], struck: Counter[str]) -> None:
        self._dice = {what: Random(f"{seed}/{what}") for what in (*FAULTS, "fate")}
        self._odds = odds
        self._in_a_row = 0
        self.struck = struck

    def fate(self) -> Fate:
        """What happens to the next request; nothing stays unheard for more than six tries."""
        if self._in_a_row >= _MOST_IN_A_ROW:
            self._in_a_row = 0
            return "fine"
        drawn = self._draw_fate()
        self._in_a_row = self._in_a_row + 1 if drawn in _UNHEARD else 0
        return drawn

    def strikes(self, what: str) -> bool:
        """Whether this piece of bad luck happens now; if so it is counted."""
        strikes = self.draws(what)
        self.struck[what] += strikes
        return strikes

    def draws(self, what: str) -> bool:
        """The same, not yet counted: it may turn out that it cannot happen."""
        return self._dice[what].random() < self._odds.get(what, 0.0)

    def dice(self, what: str) -> Random:
        """What else is drawn for this piece of bad luck."""
        return self._dice[what]

    def _draw_fate(self) -> Fate:
        drawn = self._dice["fate"].random()
        for fate in (*_UNHEARD, *_DOUBLED):
            drawn -= self._odds.get(fate, 0.0)
            if drawn < 0:
                return fate  # pyright: ignore[reportReturnType]
        return "fine"


def spared(odds: Collection[str], struck: Mapping[str, int], phones: int) -> list[str]:
    """The faults that were asked for and never happened; none where there were too few phones for all of them."""
    return [name for name in odds if not struck.get(name)] if phones >= ENOUGH else []
