"""The catalogue of item types, as the JSON document says it.

Every Struct mirrors one object of the document with the same key names. Unknown keys are refused: a misspelt
key is a fault of the catalogue, never silently ignored. The document explains its own attributes (in
`photo_rules` and the like); those words are kept as data.
"""

from functools import cache
from importlib.resources import files
from typing import Literal

from msgspec import field, json

from schemas.item_type import (
    Condition,
    DuplicateKey,
    Effect,
    Field,
    FieldType,
    Hours,
    ItemType,
    Kind,
    OnSiteFix,
    Option,
    Part,
    PhotoRule,
    ReportingStage,
    Retention,
    ReviewEffect,
    ReviewRaise,
    ReviewStep,
    Rule,
    SimilarWithin,
    TerritorySource,
    UrgencyRule,
)

__all__ = [
    "CURRENT",
    "Calendar",
    "CaseExit",
    "Catalogue",
    "CatalogueChange",
    "Category",
    "CommonField",
    "Condition",
    "DeadlineRules",
    "Department",
    "DuplicateKey",
    "Effect",
    "Field",
    "FieldType",
    "Format",
    "HolidayYear",
    "Hours",
    "ItemType",
    "Kind",
    "MergedSystem",
    "Named",
    "OnSiteFix",
    "Option",
    "PhotoRule",
    "Provenance",
    "PublicHolidays",
    "Reader",
    "Reason",
    "ReportingStage",
    "Retention",
    "ReturnReason",
    "ReviewEffect",
    "ReviewRaise",
    "ReviewRules",
    "ReviewStep",
    "Role",
    "Rule",
    "SimilarWithin",
    "TerritorySource",
    "Tier",
    "UrgencyLevel",
    "UrgencyRule",
    "document",
    "item_types",
    "load",
]

ReviewOrder = Literal["review_first", "dispatch_first"]

CURRENT = "2024.2"
"""The version that decides: change sets are judged by the catalogue current at receipt."""


class Provenance(Part, frozen=True):
    """Where the catalogue's content comes from."""

    from_article: str
    our_reading: str
    basis: tuple[str, ...]


class Named(Part, frozen=True):
    """A name in both languages."""

    zh: str
    en: str


class DeadlineRules(Part, frozen=True):
    """How deadlines are counted; `accept_hours` (hours by urgency) run on `accept_calendar`."""

    record: str
    event: str
    rules: str
    clock: str
    calendar: str
    critical: str
    accept_hours: Hours
    accept_calendar: str


class UrgencyLevel(Part, frozen=True):
    """An urgency; level 1 is the most urgent."""

    code: str
    level: int
    zh: str
    en: str
    rule: str


class Department(Part, frozen=True):
    """A function that cases are routed to; its organisations exist at `tiers`."""

    code: str
    name_zh: str
    name_en: str
    tiers: tuple[str, ...]
    calendar: str
    merged_system: str | None = None
    street_unit_zh: str | None = None
    street_unit_en: str | None = None


class CommonField(Part, frozen=True):
    """A field that every item has, kept outside its form."""

    key: str
    type: FieldType
    note: str | None = None


class CatalogueChange(Part, frozen=True):
    """What a version changed, for all types, one `item` or some `items`.

    `renamed`: fields of these items, old key -> new; `recoded`: options by the new key of their field, old -> new.
    """

    in_: str = field(name="in")
    what: str
    item: str | None = None
    items: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    recoded: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])


class ReviewRules(Part, frozen=True):
    """The words of review; `order` says per urgency whether dispatch waits for approval."""

    none: str
    sample: str
    one: str
    two: str
    rule: str
    order: dict[str, ReviewOrder]
    own_work: str
    by: str


class DuplicateRules(Part, frozen=True):
    """The words of duplicate detection."""

    keys: str
    strong: str
    weak: str
    similar_within: str


class TerritoryRules(Part, frozen=True):
    """The words of territory; `sources` are the sources an item type may name."""

    sources: dict[str, str]
    rule: str
    privacy: str


class AudienceRules(Part, frozen=True):
    """The words of who may read an item type."""

    grid: str
    need_to_know: str
    stream: str
    restricted_to: str
    dispatch_by: str


class Reader(Part, frozen=True):
    """A reader that `readers` and `review_by` may name; `department:<code>` stands for each department."""

    code: str
    zh: str
    en: str


class PartTimeRules(Part, frozen=True):
    """The words of what part-time workers may do."""

    report_only: str
    none: str
    records: str
    references: str
    review: str


class PhotoRules(Part, frozen=True):
    """The words of the photo attributes."""

    report_min_by_urgency: str
    may_follow: str
    close_min: str
    on_site_fix: str
    forbidden: str


class Tier(Part, frozen=True):
    """A level of the administration; level 1 is the grid."""

    code: str
    level: int
    zh: str
    en: str


class MergedSystem(Part, frozen=True):
    """A department's own grid system that the unified code replaced."""

    code: str
    zh: str
    en: str
    department: str
    also: tuple[str, ...] = ()


class Calendar(Part, frozen=True):
    """Working time: ISO weekdays (1 = Monday) and `HH:MM` spans in `timezone`; 24:00 ends a day."""

    zh: str
    en: str
    timezone: str
    weekdays: tuple[int, ...]
    hours: tuple[tuple[str, str], ...]
    public_holidays: bool
    note: str | None = None


class HolidayYear(Part, frozen=True):
    """Days (`YYYY-MM-DD`) off, and weekend days that are worked."""

    days_off: tuple[str, ...]
    shifted_workdays: tuple[str, ...]


class PublicHolidays(Part, frozen=True):
    """Public holidays by year (`YYYY`)."""

    source: str
    rule: str
    years: dict[str, HolidayYear]

    def __hash__(self) -> int:
        """A dictionary has none of its own, and the words of the rule tell tables apart well enough."""
        return hash((self.source, self.rule))


class Role(Part, frozen=True):
    """A role that a user may hold, at its `tiers`."""

    code: str
    zh: str
    en: str
    duty_zh: str
    duty_en: str
    tiers: tuple[str, ...]
    approves: bool


class ReturnReason(Part, frozen=True):
    """A reason for which a submission is returned."""

    code: str
    zh: str
    en: str
    kinds: tuple[Kind, ...]


class Reason(Part, frozen=True):
    """A reason that a case exit may give."""

    code: str
    zh: str
    en: str


class CaseExit(Part, frozen=True):
    """A way out of the straight course of a case: who takes it, who approves it (None: nobody), and why."""

    code: str
    zh: str
    en: str
    by: tuple[str, ...]
    approved_by: tuple[str, ...] | None
    reasons: tuple[Reason, ...]


class Format(Part, frozen=True):
    """A form of identity or code: its pattern, and the name of its check if it has one."""

    zh: str
    check: str | None
    pattern: str


class RetentionRules(Part, frozen=True):
    """The words of retention."""

    after: str
    then: str
    note: str


class Category(Part, frozen=True):
    """A category of item types."""

    code: str
    slug: str
    name_zh: str
    name_en: str
    items: tuple[ItemType, ...]


class Catalogue(Part, frozen=True):
    """The whole document, schema version 2."""

    schema_version: Literal[2]
    catalogue_id: str
    catalogue_version: str
    provenance: Provenance
    field_types: tuple[FieldType, ...]
    field_attributes: dict[str, str]
    kinds: dict[str, str]
    flows: dict[str, Named]
    deadline_rules: DeadlineRules
    urgency_levels: tuple[UrgencyLevel, ...]
    departments: tuple[Department, ...]
    common_fields: tuple[CommonField, ...]
    changes: tuple[CatalogueChange, ...]
    review_rules: ReviewRules
    duplicate_rules: DuplicateRules
    territory_rules: TerritoryRules
    audience_rules: AudienceRules
    audience_readers: tuple[Reader, ...]
    part_time_rules: PartTimeRules
    photo_rules: PhotoRules
    tiers: tuple[Tier, ...]
    merged_systems: tuple[MergedSystem, ...]
    calendars: dict[str, Calendar]
    public_holidays: PublicHolidays
    roles: tuple[Role, ...]
    return_reasons: tuple[ReturnReason, ...]
    case_exits: tuple[CaseExit, ...]
    categories: tuple[Category, ...]
    formats: dict[str, Format]
    retention_rules: RetentionRules


def document(version: str = CURRENT) -> bytes:
    """The packaged document of a version, byte for byte. Raises FileNotFoundError for an unknown version."""
    return files("schemas").joinpath(f"data/catalogue-{version}.json").read_bytes()


@cache
def load(version: str = CURRENT) -> Catalogue:
    """The packaged catalogue of a version. Raises msgspec.ValidationError where the document does not fit."""
    return json.decode(document(version), type=Catalogue)


def item_types(catalogue: Catalogue) -> dict[str, ItemType]:
    """The item types by code, in the document's order."""
    return {item.code: item for category in catalogue.categories for item in category.items}
