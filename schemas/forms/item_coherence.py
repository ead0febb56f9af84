"""Whether one item type of a catalogue fits itself and the names it uses."""

from collections.abc import Iterable, Iterator

from schemas.catalogue import Condition, Field, ItemType, ReviewStep, TerritorySource
from schemas.forms.field_coherence import field_faults
from schemas.forms.names import Names, each, missing_urgencies, repeated, unknown
from schemas.forms.rule_coherence import condition_faults, effect_faults
from schemas.forms.structure import CatalogueFault

_SENSITIVITY = ("none", "personal", "sensitive")
_APPROVALS = {"none": 0, "sample": 1, "one": 1, "two": 2}


def item_faults(item: ItemType, names: Names, path: str) -> Iterator[CatalogueFault]:
    """Every fault of an item type that stands at `path`."""
    fields = {field.key: field for field in item.fields}
    yield from repeated({f"{path}.fields[{place}].key": f.key for place, f in enumerate(item.fields)})
    for place, field in enumerate(item.fields):
        yield from field_faults(field, item, names, f"{path}.fields[{place}]")
    yield from _kind_faults(item, path)
    yield from _people_faults(item, names, path)
    yield from _urgency_faults(item, names, path)
    yield from _photo_faults(item, fields, path)
    yield from _key_faults(item, fields, path)
    for place, source in enumerate(item.territory_from):
        yield from _territory_faults(source, fields, f"{path}.territory_from[{place}]")
    yield from _rule_faults(item, names, fields, path)


def _kind_faults(item: ItemType, path: str) -> Iterator[CatalogueFault]:
    if (item.kind == "record") != (item.flow == "long_lived"):
        yield CatalogueFault(f"{path}.flow", "台账用long_lived,事件不用", "long_lived is for records, and only them")
    if item.kind == "record" and (item.dispatch_by != "none" or item.part_time != "none"):
        yield CatalogueFault(path, "台账不派单,也不由动态网格员采集", "Records have no case and no part-time worker")
    most = max((field.sensitivity for field in item.fields), key=_SENSITIVITY.index, default="none")
    if _SENSITIVITY.index(item.sensitivity) < _SENSITIVITY.index(most):
        yield CatalogueFault(f"{path}.sensitivity", "低于其字段的敏感级别", "It is below that of a field")
    if item.part_time == "report_only" and any(f.type == "reference" and f.required for f in item.fields):
        yield CatalogueFault(f"{path}.part_time", "动态网格员查不到记录", "A part-time worker can look nothing up")


def _people_faults(item: ItemType, names: Names, path: str) -> Iterator[CatalogueFault]:
    departments = {f"{path}.lead_department": item.lead_department}
    departments |= each(f"{path}.assist_departments", item.assist_departments)
    departments |= each(f"{path}.restricted_to", item.restricted_to)
    yield from unknown("department", names.departments, departments)
    yield from unknown("reader", names.readers, each(f"{path}.readers", item.readers))
    if item.audience == "need_to_know" and not item.readers:
        yield CatalogueFault(f"{path}.readers", "须列明读者", "The readers must be listed")
    yield from review_faults(item.review, item.review_by, names, path)
    if (item.review == "sample") != (0 < item.sample_rate <= 1):
        yield CatalogueFault(f"{path}.sample_rate", "抽查率须在0至1之间", "Sampling needs a rate from 0 to 1")


def review_faults(review: str, steps: tuple[ReviewStep, ...], names: Names, path: str) -> Iterator[CatalogueFault]:
    """Faults of a review and its steps, which are counted from level 1."""
    for place, step in enumerate(steps):
        yield from unknown("reader", names.readers, {f"{path}.review_by[{place}].by": step.by})
        yield from unknown("tier", names.tiers, {f"{path}.review_by[{place}].tier": step.tier})
    if [step.level for step in steps] != list(range(1, _APPROVALS[review] + 1)):
        yield CatalogueFault(f"{path}.review_by", "审核级数与审核方式不符", "The levels do not fit the review")


def _urgency_faults(item: ItemType, names: Names, path: str) -> Iterator[CatalogueFault]:
    allowed = each(f"{path}.urgency.allowed", item.urgency.allowed)
    yield from unknown("urgency", names.urgencies, allowed)
    yield from repeated(allowed)
    yield from unknown("urgency", item.urgency.allowed, {f"{path}.urgency.default": item.urgency.default})
    yield from unknown("calendar", names.calendars, {f"{path}.calendar": item.calendar})
    tables = {"deadline_hours": item.deadline_hours or {}}
    if item.kind == "event":
        tables = {"handle_hours": item.handle_hours or {}}
        if item.respond_hours is not None or item.flow == "dispatch":
            tables["respond_hours"] = item.respond_hours or {}
    for name, hours in tables.items():
        yield from missing_urgencies(f"{path}.{name}", item.urgency.allowed, hours)
        for urgency in (urgency for urgency, allowance in hours.items() if allowance <= 0):
            yield CatalogueFault(f"{path}.{name}.{urgency}", "时限须大于0", "Hours must be above 0")


def _photo_faults(item: ItemType, fields: dict[str, Field], path: str) -> Iterator[CatalogueFault]:
    photo, at = item.photo, f"{path}.photo"
    least = photo.report_min_by_urgency
    yield from missing_urgencies(f"{at}.report_min_by_urgency", item.urgency.allowed, least)
    for urgency, count in least.items():
        if count > photo.report_max or (count > 0 and (urgency == "critical" or item.danger)):
            yield CatalogueFault(
                f"{at}.report_min_by_urgency.{urgency}",
                "超过最多张数,或特急、危险事项要求了照片",
                "Above the most, or a photo is asked of a critical or dangerous matter",
            )
    lists = [field for field in item.fields if field.type == "photo_list"]
    if len(lists) != (0 if photo.forbidden or photo.report_max == 0 else 1):
        yield CatalogueFault(at, "照片字段与照片规则不符", "The photo fields do not fit the photo rule")
    if any(field.max_items != photo.report_max for field in lists):
        yield CatalogueFault(f"{at}.report_max", "与照片字段的max_items不符", "max_items of the field differs")
    if photo.on_site_fix is not None:
        yield from _typed({f"{at}.on_site_fix.field": photo.on_site_fix.field}, fields, "boolean")


def _key_faults(item: ItemType, fields: dict[str, Field], path: str) -> Iterator[CatalogueFault]:
    used: dict[str, str] = {}
    for place, duplicate in enumerate(item.duplicate_keys):
        used |= each(f"{path}.duplicate_keys[{place}].keys", duplicate.keys)
    for place, keys in enumerate(item.require_any):
        used |= each(f"{path}.require_any[{place}]", keys)
    for place, stage in enumerate(item.reporting_stages):
        used |= each(f"{path}.reporting_stages[{place}].required_fields", stage.required_fields)
        used |= each(f"{path}.reporting_stages[{place}].at_once_on_change", stage.at_once_on_change)
    if item.similar_within is not None:
        used |= each(f"{path}.similar_within.same", item.similar_within.same)
    yield from unknown("field", fields, used)
    for place in (place for place, keys in enumerate(item.require_any) if not keys):
        yield CatalogueFault(f"{path}.require_any[{place}]", "不能为空", "It must not be empty")


def _territory_faults(source: TerritorySource, fields: dict[str, Field], path: str) -> Iterator[CatalogueFault]:
    wanted = {"point": "geo_point", "reference": "reference"}.get(source.source)
    if wanted is not None:
        yield from _typed({f"{path}.field": source.field or ""}, fields, wanted)
    elif source.field is not None:
        yield CatalogueFault(f"{path}.field", "这种来源不取字段", "This source takes no field")


def _typed(used: dict[str, str], fields: dict[str, Field], wanted: str) -> Iterator[CatalogueFault]:
    yield from unknown("field", fields, used)
    for path, key in used.items():
        if key in fields and fields[key].type != wanted:
            yield CatalogueFault(path, f"字段类型应为{wanted}", f"The field should be of type {wanted}")


def _rule_faults(item: ItemType, names: Names, fields: dict[str, Field], path: str) -> Iterator[CatalogueFault]:
    for place, rule in enumerate(item.rules):
        yield from effect_faults(rule.then, item, names, f"{path}.rules[{place}].then")
    for place, raised in enumerate(item.review_raise):
        then = raised.then
        yield from review_faults(then.review, then.review_by, names, f"{path}.review_raise[{place}].then")
    for where, condition in _conditions(item, path):
        yield from condition_faults(condition, fields, where)


def _conditions(item: ItemType, path: str) -> Iterable[tuple[str, Condition]]:
    for place, rule in enumerate(item.rules):
        yield f"{path}.rules[{place}].when", rule.when
    for place, raised in enumerate(item.review_raise):
        yield f"{path}.review_raise[{place}].when", raised.when
