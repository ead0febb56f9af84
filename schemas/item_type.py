"""One item type of the catalogue, as the JSON document says it: its form and its rules.

The document's own words (`field_attributes`, `photo_rules`, ...) explain each attribute further.
"""

from typing import Literal

from msgspec import Struct

FieldType = Literal[
    "text",
    "integer",
    "decimal",
    "boolean",
    "date",
    "datetime",
    "enum",
    "phone",
    "national_id",
    "geo_point",
    "reference",
    "photo_list",
]
Kind = Literal["record", "event"]
Flow = Literal["long_lived", "dispatch", "self_close"]
Sensitivity = Literal["none", "personal", "sensitive"]
Merge = Literal["manual", "lww", "union", "max", "append"]
Review = Literal["none", "sample", "one", "two"]
Stream = Literal["grid", "grid_restricted", "author"]
Op = Literal["eq", "in", "has_any"]

Hours = dict[str, float]
"""Hours by urgency code."""


class Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One object of the document; an unknown key in it is refused."""


class OnSiteFix(Part, frozen=True):
    """When the boolean `field` is true the author closes in one step, with so many photos of each role."""

    field: str
    report_min: int
    close_min: int


class PhotoRule(Part, frozen=True):
    """Photos of one item type; see `PhotoRules`."""

    report_min: int
    report_max: int
    close_min: int
    report_min_by_urgency: dict[str, int]
    forbidden: bool
    may_follow: bool
    follow_min: int = 0
    note_zh: str | None = None
    note_en: str | None = None
    on_site_fix: OnSiteFix | None = None


class UrgencyRule(Part, frozen=True):
    """Urgencies a worker may claim; anything else becomes `default`."""

    default: str
    allowed: tuple[str, ...]


class ReviewStep(Part, frozen=True):
    """One approval: a reader (`by`), at the `tier` where that reader reviews. Level 1 comes first."""

    level: int
    by: str
    tier: str


class DuplicateKey(Part, frozen=True):
    """Fields that together tell one thing from another; counts only when all of them are filled."""

    keys: tuple[str, ...]
    strength: Literal["strong", "weak"]


GridSource = Literal["point", "reference", "capture", "claimed"]
"""What tells an item's grid: its own point, what it refers to, where its author stood, or the code that he chose."""


class TerritorySource(Part, frozen=True):
    """A source of an item's grid, tried in order; `field` for the sources point and reference."""

    source: GridSource
    field: str | None = None


class SimilarWithin(Part, frozen=True):
    """Another open report at most so far (metres) and so old (hours), equal in the fields `same`."""

    metres: float
    hours: float
    same: tuple[str, ...] = ()


class Retention(Part, frozen=True):
    """What happens to an item's marked values so many months after an occasion."""

    after: Literal["left", "closed", "ended"]
    months: int
    then: Literal["erase"]


class Condition(Part, frozen=True):
    """Either a comparison (`field`, `op`, `value`) or `all` of several conditions."""

    field: str | None = None
    op: Op | None = None
    value: bool | int | float | str | tuple[str, ...] | None = None
    all: tuple["Condition", ...] = ()


class Effect(Part, frozen=True):
    """What a rule sets; a later matching rule overrides an earlier one for the same key."""

    dispatch: bool | None = None
    urgency: str | None = None
    route_to: str | None = None


class Rule(Part, frozen=True):
    """When the condition holds, the effect applies."""

    when: Condition
    then: Effect


class ReviewEffect(Part, frozen=True):
    """The review that a raised report needs instead."""

    review: Review
    review_by: tuple[ReviewStep, ...]


class ReviewRaise(Part, frozen=True):
    """When the condition holds, the review is raised."""

    when: Condition
    then: ReviewEffect


class ReportingStage(Part, frozen=True):
    """A stage of emergency reporting: due `within_minutes`, `within_hours` or `every_hours` (by urgency)."""

    code: str
    zh: str
    en: str
    counted_from: str
    channel: str
    required_fields: tuple[str, ...]
    photo_min: int
    rule_zh: str
    rule_en: str
    within_minutes: float | None = None
    within_hours: float | None = None
    every_hours: Hours | None = None
    at_once_on_change: tuple[str, ...] = ()


class Option(Part, frozen=True):
    """A value of an enum."""

    value: str
    zh: str
    en: str


class Field(Part, frozen=True):
    """One field of a form; see `field_attributes` of the document."""

    key: str
    type: FieldType
    label_zh: str
    label_en: str
    required: bool
    merge: Merge | None = None
    sensitivity: Sensitivity = "none"
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None
    format_by: dict[str, str] | None = None
    unique_hint: bool = False
    options: tuple[Option, ...] = ()
    multi: bool = False
    ref: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    scale: int | None = None
    unit: str | None = None
    min_items: int | None = None
    max_items: int | None = None


NAMES_OF_PEOPLE = frozenset(
    {
        "name",
        "owner_name",
        "manager",
        "guardian",
        "helper",
        "party_a",
        "party_b",
        "spokesperson",
        "applicant",
        "builder",
        "responsible",
    }
)
"""The catalogue has no type for a person's name; these are the fields of its forms that hold one, where marked."""


class ItemType(Part, frozen=True):
    """One item type: its form, and its rules for photos, urgency, deadlines, review, place and readers."""

    code: str
    slug: str
    name_zh: str
    name_en: str
    kind: Kind
    flow: Flow
    lead_department: str
    assist_departments: tuple[str, ...]
    description: str
    sensitivity: Sensitivity
    audience: Literal["grid", "need_to_know"]
    stream: Stream
    part_time: Literal["none", "report_only"]
    danger: bool
    photo: PhotoRule
    urgency: UrgencyRule
    deadline_clock: Literal["calendar", "working"]
    calendar: str
    review: Review
    review_by: tuple[ReviewStep, ...]
    dispatch_by: Literal["desk", "direct", "none"]
    territory_from: tuple[TerritorySource, ...]
    fields: tuple[Field, ...]
    retention: Retention
    readers: tuple[str, ...] = ()
    restricted_to: tuple[str, ...] = ()
    sample_rate: float = 0.0
    review_raise: tuple[ReviewRaise, ...] = ()
    review_days: int | None = None
    deadline_hours: Hours | None = None
    respond_hours: Hours | None = None
    handle_hours: Hours | None = None
    duplicate_keys: tuple[DuplicateKey, ...] = ()
    similar_within: SimilarWithin | None = None
    require_any: tuple[tuple[str, ...], ...] = ()
    rules: tuple[Rule, ...] = ()
    reporting_stages: tuple[ReportingStage, ...] = ()
    filing_criteria_zh: str | None = None
    filing_criteria_en: str | None = None
    closing_criteria_zh: str | None = None
    closing_criteria_en: str | None = None
