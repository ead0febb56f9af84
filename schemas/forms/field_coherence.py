"""Whether a field's attributes fit its type and the names they use."""

import re
from collections.abc import Iterator

from schemas.forms.names import Names, each, repeated, unknown
from schemas.forms.structure import CatalogueFault
from schemas.forms.values import whole_pattern
from schemas.item_type import Field, FieldType, ItemType, Merge

_KEY = re.compile(r"[a-z][a-z0-9_]*")

_TAKEN_BY: dict[str, tuple[FieldType, ...]] = {
    "max_length": ("text",),
    "pattern": ("text",),
    "format": ("text",),
    "format_by": ("national_id", "text"),
    "options": ("enum",),
    "multi": ("enum",),
    "ref": ("reference",),
    "min": ("integer", "decimal"),
    "max": ("integer", "decimal"),
    "scale": ("decimal",),
    "min_items": ("photo_list",),
    "max_items": ("photo_list",),
}
_NEEDED_BY: dict[FieldType, str] = {
    "text": "max_length",
    "enum": "options",
    "reference": "ref",
    "decimal": "scale",
    "photo_list": "max_items",
}
_MERGED_BY: dict[Merge, tuple[FieldType, ...]] = {
    "union": ("enum", "photo_list"),
    "max": ("date", "datetime", "integer"),
    "append": ("text",),
}


def field_faults(field: Field, item: ItemType, names: Names, path: str) -> Iterator[CatalogueFault]:
    """Every fault of a field that stands at `path`."""
    if _KEY.fullmatch(field.key) is None:
        yield CatalogueFault(f"{path}.key", "应为小写字母、数字和下划线", "Lower-case letters, digits and _ only")
    yield from _attribute_faults(field, path)
    yield from repeated({f"{path}.options[{place}]": o.value for place, o in enumerate(field.options)})
    yield from _number_faults(field, path)
    yield from _format_faults(field, item, names, path)
    yield from _merge_faults(field, item, path)
    yield from unknown("item type", names.items, each(f"{path}.ref", field.ref))


def _attribute_faults(field: Field, path: str) -> Iterator[CatalogueFault]:
    for attribute, types in _TAKEN_BY.items():
        if getattr(field, attribute) not in (None, (), False) and field.type not in types:
            yield CatalogueFault(
                f"{path}.{attribute}",
                f"{field.type}类型的字段没有这个属性",
                f"A {field.type} field takes no such attribute",
            )
    needed = _NEEDED_BY.get(field.type)
    if needed is not None and getattr(field, needed) in (None, ()):
        yield CatalogueFault(f"{path}.{needed}", "缺少这个属性", "This attribute is missing")


def _number_faults(field: Field, path: str) -> Iterator[CatalogueFault]:
    if field.min is not None and field.max is not None and field.min > field.max:
        yield CatalogueFault(f"{path}.min", "最小值大于最大值", "The minimum is above the maximum")
    if field.min_items is not None and field.min_items > (field.max_items or 0):
        yield CatalogueFault(f"{path}.min_items", "最少张数大于最多张数", "The minimum is above the maximum")
    for name in ("min", "max"):
        bound: float | None = getattr(field, name)
        if field.type == "integer" and bound is not None and not bound.is_integer():
            yield CatalogueFault(f"{path}.{name}", "应为整数", "A whole number is expected")
    for name in ("max_length", "max_items", "scale"):
        count: int | None = getattr(field, name)
        if count is not None and count < (0 if name == "scale" else 1):
            yield CatalogueFault(f"{path}.{name}", "数值太小", "The number is too small")


def _format_faults(field: Field, item: ItemType, names: Names, path: str) -> Iterator[CatalogueFault]:
    if field.pattern is not None and not _compiles(field.pattern):
        yield CatalogueFault(f"{path}.pattern", "正则表达式有误", "The regular expression does not compile")
    if field.format is not None:
        yield from unknown("format", names.formats, {f"{path}.format": field.format})
    if field.format_by is not None:
        yield from _chooser_faults(field.format_by, item, names, f"{path}.format_by")


def _chooser_faults(chosen: dict[str, str], item: ItemType, names: Names, path: str) -> Iterator[CatalogueFault]:
    choosers = {f.key: f for f in item.fields if f.type == "enum" and not f.multi}
    chooser = choosers.get(chosen.get("field", ""))
    if chooser is None:
        yield from unknown("field", choosers, {f"{path}.field": chosen.get("field", "")})
        return
    formats = {f"{path}.{value}": name for value, name in chosen.items() if value != "field"}
    yield from unknown("format", names.formats, formats)
    options = [option.value for option in chooser.options]
    yield from unknown("option", options, {f"{path}.{value}": value for value in chosen if value != "field"})


def _merge_faults(field: Field, item: ItemType, path: str) -> Iterator[CatalogueFault]:
    if field.merge is None:
        return
    types = _MERGED_BY.get(field.merge)
    if item.kind == "event":
        yield CatalogueFault(f"{path}.merge", "事件不用merge", "Events take no merge")
    elif (types is not None and field.type not in types) or (
        field.merge == "union" and field.type == "enum" and not field.multi
    ):
        yield CatalogueFault(f"{path}.merge", "合并方式不适合该类型", "This merge does not fit the field's type")


def _compiles(pattern: str) -> bool:
    try:
        whole_pattern(pattern)
    except re.error:
        return False
    return True
