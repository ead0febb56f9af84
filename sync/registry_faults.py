"""What can be wrong with a row that is to enter the registry: a stable code, and words that say what to do."""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from schemas.grid_code import GridCodeError

_LONGEST_CODE: Final = 20


class Fault(Struct, frozen=True, kw_only=True):
    """One fault.

    `row`: the line as a spreadsheet counts it, its header being line 1, or the line of a plan; None for what stands in
    no row. `code`: the code of the grid, community or division; `field`: the column, or `outline`; in a table of
    divisions after `division.`; in a plan the place, `operations[0].into[1].code`.
    """

    row: int | None
    code: str
    fault: str
    field: str
    zh: str
    en: str


class _Words(NamedTuple):
    field: str
    zh: str
    en: str


_WORDS: Final[dict[str, _Words]] = {
    # The row
    "row_cells": _Words(
        "row", "列数与表头不符,请检查逗号与引号", "The cells are not as many as columns: check commas and quotes"
    ),
    "code_duplicate": _Words(
        "code", "编码与第 {other} 行重复,每个网格只写一行", "The code stands in row {other} too: write one row a grid"
    ),
    "code_retired": _Words(
        "code",
        "该编码已停用,编码不得重复使用,请改用新序号",
        "The code is retired and is never used again: take a new serial",
    ),
    "code_of_other": _Words(
        "code",
        "该编码曾属另一网格(现为 {other}),不得重复使用,请改用新序号",
        "The code was that of grid {other} and is never used again: take a new serial",
    ),
    "community_unknown": _Words(
        "community",
        "没有社区 {community},请先在区划表中加入",
        "There is no community {community}: add it with the divisions first",
    ),
    "community_mismatch": _Words(
        "community",
        "社区与编码前 12 位不符,应为 {community}",
        "The community is not the first 12 digits of the code, {community}",
    ),
    "out_of_area": _Words(
        "code",
        "不在您管辖的区划内,请交由当地网格中心导入",
        "It lies outside your divisions: have the centre of that place import it",
    ),
    "text_invalid": _Words(
        "name",
        "须为 1–{most} 个字,不含控制字符,不以 = + - @ 开头",
        "Write 1 to {most} characters, no control characters, not beginning with = + - @",
    ),
    "list_invalid": _Words(
        "compounds",
        "请用分号分隔,最多 {most} 项,不得重复或含冒号",
        "Separate by semicolons, at most {most}, none twice, no colons",
    ),
    "micro_grids_invalid": _Words(
        "micro_grids", "请写如 01:东片;02:西片,序号 01–99 不重复", "Write 01:east;02:west, serials 01 to 99, none twice"
    ),
    "date_invalid": _Words("valid_from", "日期请写 2024-05-31 的形式", "Write dates as 2024-05-31"),
    "dates_reversed": _Words("valid_to", "止日早于起日", "The last day is before the first"),
    "mark_invalid": _Words("synthetic", "请写 yes 或 no", "Write yes or no"),
    # The division table
    "division_form": _Words(
        "code", "区划编码应为以 3411 开头的 12 位数字", "A division code is 12 digits that begin with 3411"
    ),
    "division_duplicate": _Words("code", "区划与第 {other} 行重复", "The division stands in row {other} too"),
    "parent_unknown": _Words(
        "parent", "上级区划 {parent} 不存在,请一并写入", "Its parent {parent} does not exist: write it too"
    ),
    "parent_mismatch": _Words("parent", "上级应为 {parent}", "Its parent is {parent}"),
    "host_unknown": _Words(
        "host_county", "所在县不存在,请写 12 位县级编码", "There is no such county: write its 12-digit code"
    ),
    # The crosswalk
    "department_unknown": _Words(
        "department", "没有此部门,请写事项目录中的部门代码", "No such department: write its code in the catalogue"
    ),
    "legacy_code_invalid": _Words(
        "legacy_code",
        "旧编码须为 1–{most} 个可见字符;若显示为 3.4E+13,请将该列设为文本",
        "Write 1 to {most} visible characters; if it reads 3.4E+13, format the column as text",
    ),
    "place_unclear": _Words(
        "community_code",
        "请在 community_code 与 grid_code 中恰写一个",
        "Write either community_code or grid_code, and only one of them",
    ),
    "grid_unknown": _Words("grid_code", "没有使用此编码的现行网格", "No current grid bears this code"),
    "valid_from_missing": _Words("valid_from", "请写启用日期", "Write the first day on which the code was used"),
    "note_invalid": _Words(
        "note", "说明不超过 {most} 个字,不含控制字符", "A note has at most {most} characters, no control characters"
    ),
    "crosswalk_duplicate": _Words(
        "legacy_code", "与第 {other} 行重复", "It says the same as row {other}: take one of them out"
    ),
    # A plan of changes
    "plan_form": _Words("plan", "写法不对:{zh}", "It is not written as a plan is: {en}"),
    "plan_verb": _Words(
        "operations",
        "每项操作须以下列之一开头,且只写一个:{verbs}",
        "An operation has exactly one of these keys: {verbs}",
    ),
    "plan_empty": _Words("operations", "计划中没有任何操作", "The plan has no operations"),
    "plan_outdated": _Words(
        "registry",
        "计划依据编码库版本 {planned},现为 {version};请核对后改写版本号重做",
        "It was made for registry version {planned}, which is {version} now: look through it and plan again",
    ),
    "grid_twice": _Words(
        "operations",
        "该网格已见于 {other},一份计划中每个网格只能变动一次",
        "The grid is named at {other} too; a plan changes each grid once",
    ),
    "grid_ended": _Words("operations", "该网格已停用,不能再变动", "The grid has ended and can be changed no more"),
    "grid_renumbered": _Words(
        "operations", "该网格已改用编码 {other},请改写", "The grid bears the code {other} now: write that"
    ),
    "code_in_use": _Words(
        "operations", "该编码正由现行网格使用,请改用新序号", "A current grid bears this code: take a new serial"
    ),
    "code_used": _Words(
        "operations",
        "该编码曾被使用,编码不得重复使用,请改用新序号",
        "The code was borne before and is never used again: take a new serial",
    ),
    "code_twice": _Words("operations", "该编码已见于 {other}", "The code is given at {other} too"),
    "split_too_few": _Words("operations", "拆分须至少分为两个网格", "A split has two grids or more in `into`"),
    "merge_too_few": _Words("operations", "合并须至少写两个网格", "A merge names two grids or more"),
    "merge_counties": _Words(
        "operations", "不能跨县合并,新编码也须在本县", "Grids of different counties are not merged, nor into another"
    ),
    "merge_apart": _Words(
        "operations",
        "所合并的网格边界合起来不是一整块,请在边界文件中画出新边界",
        "The outlines of what is merged do not make one piece: draw the new one in the file of outlines",
    ),
    "redraw_empty": _Words("operations", "请写出要重画的网格编码", "Name the grids that are redrawn"),
    "renumber_moves": _Words(
        "operations", "新编码属另一社区,请改用 move", "The new code is of another community: that is a `move`"
    ),
    "move_stays": _Words(
        "operations", "新编码仍属原社区,请改用 renumber", "The new code is of the same community: that is a `renumber`"
    ),
    "ground_lost": _Words(
        "outline",
        "原属该网格的 {area} 平方米将不属于任何网格,在 {place} 附近",
        "{area} square metres of the grid would belong to none, near {place}",
    ),
    "user_unknown": _Words(
        "team", "没有这样的在岗人员,请写用户编号或登录手机号", "Nobody who works here: write a user's id or login phone"
    ),
    # One outline
    "outline_missing": _Words("outline", "边界文件中没有此编码", "The file of outlines has no feature with this code"),
    "outline_unused": _Words(
        "outline", "表格中没有此编码,请补行或删去该边界", "No row has this code: add one, or take the outline away"
    ),
    "outline_duplicate": _Words("outline", "边界文件中此编码出现多次", "Several features have this code: keep one"),
    "geometry_type": _Words("outline", "几何类型应为面(Polygon)", "The geometry must be a Polygon"),
    "multi_part": _Words(
        "outline",
        "由 {parts} 块组成,一个网格须是一整块,请拆为多个网格",
        "It has {parts} parts; a grid is one piece: make each part a grid",
    ),
    "ring_points": _Words(
        "outline", "环至少需要三个不同的点,坐标须为数字", "A ring needs three different points, each of two numbers"
    ),
    "ring_bounds": _Words(
        "outline",
        "坐标不在滁州境内,请检查经纬度顺序与 --crs",
        "A point lies far from Chuzhou: check the order lon, lat and --crs",
    ),
    "vertices_too_many": _Words(
        "outline", "顶点超过 {most} 个,请先简化", "It has more than {most} vertices: simplify it first"
    ),
    "ring_crosses": _Words("outline", "边界自相交:{place}", "The outline crosses or touches itself at {place}"),
    "ring_area": _Words("outline", "面积不足 {least} 平方米", "Its area is under {least} square metres"),
    # Outlines beside each other
    "overlap": _Words(
        "outline",
        "与网格 {other} 重叠 {area} 平方米,在 {place} 附近",
        "It overlaps grid {other} by {area} square metres near {place}",
    ),
    "hole": _Words(
        "outline",
        "社区内有 {area} 平方米不属于任何网格,在 {place} 附近",
        "{area} square metres of the community belong to no grid, near {place}",
    ),
    "sliver": _Words(
        "outline",
        "有宽不足 {width} 米、长 {length} 米的狭条,在 {place} 附近",
        "A part under {width} m wide is {length} m long, near {place}",
    ),
    "outside_community": _Words(
        "outline",
        "有 {area} 平方米在 {whole} 界外,在 {place} 附近",
        "{area} square metres lie outside {whole}, near {place}",
    ),
}


def fault(name: str, row: int | None, code: str, field: str | None = None, /, **facts: object) -> Fault:
    """The fault of this name, its words filled in with `facts`; KeyError where one is lacking."""
    words = _WORDS[name]
    return Fault(
        row=row,
        code=code[:_LONGEST_CODE],
        fault=name,
        field=field or words.field,
        zh=words.zh.format(**facts),
        en=words.en.format(**facts),
    )


def code_fault(error: GridCodeError, row: int, code: str) -> Fault:
    """What is wrong with the digits of a code, as `schemas.grid_code` says it.

    A spreadsheet that took the code for a number is told apart: nobody finds the cause of that by looking at a digit.
    """
    zh, en = error.zh, error.en
    if "e+" in code.lower():
        zh, en = (
            "表格软件把编码变成了数字,请将该列设为文本",
            "The spreadsheet made the code a number: format the column as text",
        )
    return Fault(row=row, code=code[:_LONGEST_CODE], fault=f"code_{error.fault}", field="code", zh=zh, en=en)
