"""A stored derivation as a sentence, in Chinese and in English: what was written, what became of it, what decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from sync.derivation import Derivation, Other, SeenFix
from sync.lineage import Hop, StepKind


class Words(NamedTuple):
    """The same in both languages."""

    zh: str
    en: str


class Names(NamedTuple):
    """What is known by an id or a key and shown by its name: a grid's code by its id, a department by its code."""

    code_of: Callable[[str], str | None]
    department: Callable[[str], Words]


_HOPS: Final[dict[StepKind, Words]] = {
    "new": Words("{version} 版新设", "new at {version}"),
    "split": Words("{version} 版拆分为 {after}", "split at {version} into {after}"),
    "merge": Words("{version} 版并入 {after}", "merged at {version} into {after}"),
    "renumber": Words("{version} 版改号为 {after}", "renumbered at {version} to {after}"),
    "redraw": Words("{version} 版调整边界", "redrawn at {version}"),
    "move": Words("{version} 版划归其他社区,编码为 {after}", "moved to another community at {version}, as {after}"),
    "retire": Words("{version} 版撤销,无后继网格", "retired at {version} without a successor"),
}
_GROUND = Words("{version} 版调整边界,此处划归 {after}", "redrawn at {version}, this ground went to {after}")
"""A redraw that gave the ground in question to another grid."""
_FIXES: Final = {"point": Words("定位", "the fix"), "capture": Words("手机定位", "the fix of the phone")}
_UNTOLD: Final = {
    "unknown": Words("没有网格用过此编码", "no grid ever bore this code"),
    "retired": Words("此编码已停用,去向未登记", "it was given up, and nothing says for what"),
}
_DECIDED: Final = {
    "point": Words("事项的位置在 {code}", "its own point lies in {code}"),
    "reference": Words("所引用的事项在 {code}", "what it refers to lies in {code}"),
    "capture": Words("采集时手机在 {code}", "the phone was in {code} at the capture"),
    "claimed": Words("只可能是 {code}", "which leaves {code} alone"),
    "person": Words("由人指定为 {code}", "a person named {code}"),
    "held": Words("取其等待的网格 {code}", "it got {code}, which it had waited for"),
    "undo": Words("恢复原网格 {code}", "the grid from before was put back: {code}"),
}
_DISAGREED: Final = _DECIDED | {"claimed": Words("所写编码指 {code}", "the code says {code}")}


def explain(derivation: Derivation, names: Names) -> Words:
    """One sentence; its clauses follow one another as the server went from what was written to the grid."""
    clauses = [
        *_written(derivation, names),
        *_path(derivation),
        *_several(derivation),
        *_decision(derivation),
        *(_disagreeing(one, names) for one in derivation.disagreeing),
    ]
    zh, en = ";".join(one.zh for one in clauses), "; ".join(one.en for one in clauses)
    return Words(f"{zh}。", f"{en[:1].upper()}{en[1:]}.")


def _written(derivation: Derivation, names: Names) -> Iterator[Words]:
    if (written := derivation.written) is not None:
        yield Words(
            f"依编码库 {written.registry} 版写明 {written.code}",
            f"written against {written.code} at registry {written.registry}",
        )
    if (legacy := derivation.legacy) is not None:
        office = names.department(legacy.department)
        yield Words(f"写明{office.zh}旧编码 {legacy.code}", f"written with {legacy.code}, a code of “{office.en}”")
    said = written or legacy
    if said is not None and said.answer in _UNTOLD and not derivation.path:
        yield _UNTOLD[said.answer]


def _path(derivation: Derivation) -> Iterator[Words]:
    """The steps; a grid that is the only one spoken of so far is not named again."""
    known: Sequence[str] = (derivation.written.code,) if derivation.written else ()
    for hop in derivation.path:
        yield _hop(hop, named=hop.before == known)
        known = hop.after


def _hop(hop: Hop, *, named: bool) -> Words:
    subject = Words("", "") if named else Words(f"{_list(hop.before).zh} ", f"{_list(hop.before).en} ")
    gave_away = hop.kind == "redraw" and hop.after != hop.before
    told, after = _GROUND if gave_away else _HOPS[hop.kind], _list(hop.after)
    return Words(
        subject.zh + told.zh.format(version=hop.version, after=after.zh),
        subject.en + told.en.format(version=hop.version, after=after.en),
    )


def _several(derivation: Derivation) -> Iterator[Words]:
    """What a legacy code may stand for, where something else chose among it."""
    if derivation.legacy and derivation.source and len(derivation.candidates) > 1:
        stands = _list(derivation.candidates)
        yield Words(f"现对应 {stands.zh}", f"it stands for {stands.en} now")


def _decision(derivation: Derivation) -> Iterator[Words]:
    code = derivation.code or "—"
    if derivation.source is None:
        yield from _undecided(derivation)
    elif derivation.fix is not None:
        yield _lies_in(derivation.fix, code)
    else:
        told = _DECIDED[derivation.source]
        yield Words(told.zh.format(code=code), told.en.format(code=code))


def _undecided(derivation: Derivation) -> Iterator[Words]:
    if derivation.undone is not None:
        yield Words("由人撤回了处理结果", "a person took a settlement back")
        return
    if derivation.settlement is not None:
        yield Words("由人处理了冲突", "a person settled a conflict")
        return
    if derivation.fix is not None:
        yield _reaches(derivation.fix)
    among = _list(derivation.candidates, "or")
    if derivation.candidates:
        yield Words(f"须由人指定,可能为 {among.zh}", f"a person has to choose; it may be {among.en}")
    else:
        yield Words("须由人指定网格", "a person has to name the grid")


def _lies_in(fix: SeenFix, code: str) -> Words:
    said = _FIXES[fix.source]
    return Words(
        f"{said.zh}(精度 {fix.accuracy_m} 米)在 {code} 内,距其边界 {fix.border_m} 米",
        f"{said.en}, {fix.accuracy_m} m accuracy, lies in {code}, {fix.border_m} m from its border",
    )


def _reaches(fix: SeenFix) -> Words:
    said, reached = _FIXES[fix.source], _list(fix.reaches)
    zh, en = f"{said.zh}(精度 {fix.accuracy_m} 米)", f"{said.en}, {fix.accuracy_m} m accuracy,"
    if fix.reaches:
        return Words(f"{zh}触及 {reached.zh}", f"{en} reaches {reached.en}")
    return Words(f"{zh}不在任何网格内", f"{en} lies in no grid")


def _disagreeing(other: Other, names: Names) -> Words:
    code, said = names.code_of(other.grid), _DISAGREED[other.source]
    zh, en = said.zh.format(code=code or "已停用的网格"), said.en.format(code=code or "a grid that has ended")
    return Words(f"{zh},未采用", f"{en}, which moved nothing")


def _list(codes: Sequence[str], last: str = "and") -> Words:
    """Codes one after the other; `last`: what stands before the last of them in English."""
    listed = f"{', '.join(codes[:-1])} {last} {codes[-1]}" if len(codes) > 1 else "".join(codes)
    return Words("、".join(codes), listed)
