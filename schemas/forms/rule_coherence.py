"""Whether the rules of an item type compare what can be compared, and set what exists."""

from collections.abc import Iterator

from schemas.catalogue import Condition, Effect, Field, ItemType
from schemas.forms.names import Names, each, unknown
from schemas.forms.structure import CatalogueFault


def effect_faults(effect: Effect, item: ItemType, names: Names, path: str) -> Iterator[CatalogueFault]:
    """Faults of what a rule sets."""
    if effect.urgency is not None:
        yield from unknown("urgency", item.urgency.allowed, {f"{path}.urgency": effect.urgency})
    if effect.route_to is not None:
        routes = names.departments & set(item.restricted_to) if item.restricted_to else names.departments
        yield from unknown("department", routes, {f"{path}.route_to": effect.route_to})
    if effect == Effect():
        yield CatalogueFault(path, "规则没有任何作用", "The rule sets nothing")


def condition_faults(condition: Condition, fields: dict[str, Field], path: str) -> Iterator[CatalogueFault]:
    """Faults of a condition: either one comparison, or all of several."""
    comparison = (condition.field, condition.op, condition.value)
    if condition.all:
        if comparison != (None, None, None):
            yield CatalogueFault(path, "all不能与比较并用", "all stands alone")
        for place, part in enumerate(condition.all):
            yield from condition_faults(part, fields, f"{path}.all[{place}]")
    elif None in comparison:
        yield CatalogueFault(path, "缺少field、op或value", "field, op or value is missing")
    elif condition.field not in fields:
        yield from unknown("field", fields, {f"{path}.field": condition.field or ""})
    else:
        yield from _comparison_faults(condition, fields[condition.field], path)


def _comparison_faults(condition: Condition, field: Field, path: str) -> Iterator[CatalogueFault]:
    if (condition.op == "has_any") != field.multi:
        yield CatalogueFault(f"{path}.op", "多选字段用has_any,其他不用", "has_any is for multi fields, only them")
    if isinstance(condition.value, tuple) != (condition.op != "eq"):
        yield CatalogueFault(f"{path}.value", "eq取一个值,其他取列表", "eq takes one value, the others a list")
    elif field.type == "enum":
        yield from unknown("option", _options(field), _compared(condition, path))
    elif (field.type == "boolean") != isinstance(condition.value, bool):
        yield CatalogueFault(f"{path}.value", "与字段类型不符", "The value does not fit the field's type")


def _compared(condition: Condition, path: str) -> dict[str, str]:
    if isinstance(condition.value, tuple):
        return each(f"{path}.value", condition.value)
    return {f"{path}.value": str(condition.value)}


def _options(field: Field) -> frozenset[str]:
    return frozenset(option.value for option in field.options)
