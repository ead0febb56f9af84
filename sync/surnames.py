"""The surname that a name begins with."""

from __future__ import annotations

import re

_LISTED = """
欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 公冶 太叔 申屠
公孙 慕容 仲孙 钟离 长孙 宇文 司徒 鲜于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正 宰父 谷梁
拓跋 夹谷 轩辕 令狐 段干 百里 呼延 东郭 南门 羊舌 微生 公户 公玉 公仪 梁丘 公仲 公上 公门 公山 公坚 左丘 公伯
西门 公祖 第五 公乘 贯丘 公皙 南荣 东里 东宫 仲长 子书 子桑 即墨 达奚 褚师
"""
DOUBLE_SURNAMES = frozenset(_LISTED.split())
"""Surnames of two characters."""

_FIRST_HAN = "\u3400"
_PARTS = re.compile(r"[\s·・.,]")


def surnames(name: str) -> tuple[str, ...]:
    """What this name may be looked for by; nothing for an empty one.

    A name that begins with a double surname and goes on can be read both ways (欧阳 or 欧), so it is found by both. A
    name that is not written in Chinese characters has its first part.
    """
    if not name:
        return ()
    first = name[0]
    if first < _FIRST_HAN:
        return (_PARTS.split(name, 1)[0],)
    return (first, name[:2]) if len(name) > 2 and name[:2] in DOUBLE_SURNAMES else (first,)
