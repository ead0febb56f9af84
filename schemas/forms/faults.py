"""What may be wrong with a form, in words for the worker who filled it in.

A fault names the field and never repeats its value: values may be personal, and faults travel in receipts,
logs and answers.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

_SAFE_KEY = re.compile(r"[A-Za-z0-9_]{1,64}")

FAULT_TEXTS: Mapping[str, tuple[str, str]] = {
    "field_required": ("请填写“{zh}”。", "Fill in “{en}”."),
    "fields_any_required": ("“{zh}”至少填写一项。", "Fill in at least one of “{en}”."),
    "field_unknown": ("表单没有这一栏,请更新应用后重新填写。", "The form has no such field; update the app."),
    "field_type": (
        "“{zh}”填写的内容类型不对,请重新填写。",
        "“{en}” holds the wrong kind of value; enter it again.",
    ),
    "field_characters": (
        "“{zh}”含有无法保存的字符,请删除后重填。",
        "Remove unreadable characters from “{en}”.",
    ),
    "field_too_long": ("“{zh}”最多{limit}个字,请删减。", "Shorten “{en}” to {limit} characters or fewer."),
    "field_pattern": ("“{zh}”的写法不合要求,请检查后重填。", "“{en}” is not written as required; check it."),
    "field_option": ("“{zh}”请从列表中选择。", "Choose “{en}” from the list."),
    "field_options_repeated": ("“{zh}”有重复的选项,请重新选择。", "“{en}” repeats a choice; choose again."),
    "field_range": ("“{zh}”应在{limit}之间。", "“{en}” must be within {limit}."),
    "field_decimal": (
        "“{zh}”请填数字,最多{limit}位小数。",
        "Enter “{en}” as a number with up to {limit} decimals.",
    ),
    "field_date": ("“{zh}”不是有效日期,请重新选择。", "“{en}” is no real date; choose it again."),
    "field_datetime": (
        "“{zh}”不是有效时间,请重新选择。",
        "“{en}” is no real time with its offset; choose it again.",
    ),
    "phone_form": ("“{zh}”不是有效的电话号码,请核对。", "“{en}” is no telephone number; check it."),
    "id_form": (
        "“{zh}”与所选证件类型的格式不符,请核对。",
        "“{en}” does not fit the chosen document; check it.",
    ),
    "id_check_digit": (
        "“{zh}”有一位填错,请对照证件核对。",
        "A character of “{en}” is wrong; compare the document.",
    ),
    "id_birth_date": (
        "“{zh}”中的出生日期不对,请对照证件核对。",
        "The birth date in “{en}” is wrong; check it.",
    ),
    "credit_code_form": (
        "“{zh}”应为18位代码,请对照执照核对。",
        "“{en}” has 18 characters; compare the licence.",
    ),
    "credit_code_check": (
        "“{zh}”有一位填错,请对照执照核对。",
        "A character of “{en}” is wrong; compare the licence.",
    ),
    "plate_form": ("“{zh}”不是有效的车牌号,请核对。", "“{en}” is no vehicle plate; check it."),
    "point_crs": (
        "“{zh}”缺少坐标系,请重新定位或更新应用。",
        "“{en}” names no known coordinate system; locate again.",
    ),
    "point_form": ("“{zh}”的位置无效,请重新定位。", "“{en}” is no valid position; locate again."),
    "reference_form": ("“{zh}”请从已有记录中选择。", "Choose “{en}” from the existing records."),
    "photo_form": (
        "“{zh}”中有照片登记无效,请重新拍照。",
        "A photo of “{en}” is not declared properly; take it again.",
    ),
    "photo_too_large": (
        "“{zh}”中有照片超过20MB,请重新拍照。",
        "A photo of “{en}” is larger than 20 MB; retake it.",
    ),
    "photo_repeated": ("“{zh}”中有重复的照片,请删除。", "“{en}” holds the same photo twice; remove one."),
    "photos_too_many": ("“{zh}”最多{limit}张,请删减。", "“{en}” takes at most {limit} photos; remove some."),
    "photo_forbidden": ("本事项不得拍照,请删除照片。", "No photo may be taken for this; remove it."),
}
"""Fault code -> (zh, en); `{zh}` and `{en}` stand for the field's label, `{limit}` for what is allowed."""


class Fault(Struct, frozen=True):
    """One thing wrong with a form: a stable code, the field's key, and what to do, in both languages.

    `field` is None where the phone sent a key that is no name at all.
    """

    code: str
    field: str | None
    zh: str
    en: str


def fault(code: str, key: str, labels: tuple[str, str], limit: str = "") -> Fault:
    """A fault of a field that the form knows, by its labels (zh, en)."""
    zh, en = FAULT_TEXTS[code]
    return Fault(code, key, zh.format(zh=labels[0], limit=limit), en.format(en=labels[1], limit=limit))


def unknown_field(key: str, *, photos_forbidden: bool) -> Fault:
    """A fault of a field that the form does not know; its key is repeated only where it is a name."""
    code = "photo_forbidden" if photos_forbidden and key == "photos" else "field_unknown"
    return Fault(code, key if _SAFE_KEY.fullmatch(key) else None, *FAULT_TEXTS[code])
