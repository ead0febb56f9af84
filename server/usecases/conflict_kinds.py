"""What each kind of conflict is about, in words, and what it shows beside the values of both sides."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from server.db import cases, hints
from server.db.database import Connection, Row
from server.errors import CATALOGUE
from server.masking import HIDDEN
from server.services import Services
from server.usecases.conflict_access import Opened
from server.usecases.reading import readable
from server.usecases.referring import reference_target
from server.usecases.sessions import Caller
from server.usecases.standing_rows import case_state
from sync.awaited import is_awaited
from sync.case_table import TRANSITIONS

KIND_WORDS: dict[str, tuple[str, str]] = {
    "update_update": (
        "离线修改与他人已保存的修改落在同一栏,内容不同。",
        "An offline edit disagrees about the same field with one that was saved before it arrived.",
    ),
    "update_delete": (
        "离线修改送达时,该事项已被他人删除。",
        "When the offline edit arrived, someone else had deleted the item.",
    ),
    "delete_update": (
        "离线删除送达时,该事项已被他人修改。",
        "When the offline deletion arrived, someone else had changed the item.",
    ),
    "code": (
        "凭所填编码无法确定网格,请指定网格。",
        "No grid can be told from the code that was given; name the grid.",
    ),
    "territory": (
        "网格已调整,或位置不足以判定,无法确定所属网格,请指定网格。",
        "Grids were changed, or no position tells enough, so its grid cannot be told; name the grid.",
    ),
    "referenced": (
        "所引用的事项已被删除,或尚待处理。",
        "It refers to an item that was deleted, or that is still to be settled itself.",
    ),
    "duplicate": (
        "可能重复:另有事项的关键信息与它相同。",
        "It may be a duplicate: another item has the same key values.",
    ),
    "late_transition": (
        "离线的案件操作送达时,案件已不在它所依据的状态,或条件尚未具备。",
        "When the offline step arrived, the case was in another state than it leaves, or something was lacking yet.",
    ),
    "group": (
        "同一变更集须整体处理,其中有内容待人决定。",
        "It belongs to an all-or-nothing set of which something waits for a person.",
    ),
}
"""What each kind of conflict is about, zh and en."""

_DELETED_REFERRED = (
    "离线删除的事项仍被其他事项引用。",
    "Other items still refer to the item that was deleted offline.",
)
_ACTIONS = {line.action: line.zh for line in TRANSITIONS}


class Related(Struct, frozen=True):
    """Other items that the conflict is about: the twin of a duplicate, those that refer to what is to be deleted.

    `items`: those that the reader may read now. `others`: whether there are any beside them.
    """

    items: list[UUID]
    others: bool


class StepView(Struct, frozen=True, kw_only=True):
    """A step of a case that waits: the state it leaves, the one it found, the present one, and why it waits.

    `awaited`: nobody need settle it, for it is taken by itself once what it lacks is there.
    """

    action: str
    action_zh: str
    leaves: str
    found: str
    now: str | None
    code: str
    why_zh: str
    why_en: str
    note: str | None
    masked: bool
    awaited: bool


def reason_of(kind: str, op: str) -> tuple[str, str]:
    """The words of a kind, zh and en."""
    return _DELETED_REFERRED if (kind, op) == ("referenced", "delete") else KIND_WORDS[kind]


async def related_to(connection: Connection, services: Services, actor: Caller, row: Row) -> Related:
    """The other items of a conflict; no one learns of an item that he may not read more than that there is one."""
    named = await _related(connection, services, row)
    seen = await readable(connection, services, actor, sorted(named)) if named else set[UUID]()
    return Related(sorted(named & set(seen)), bool(named - set(seen)))


async def view_step(connection: Connection, opened: Opened, *, reveal: bool) -> StepView | None:
    """The step of a case that waits in a conflict; its note may tell of somebody."""
    step, item_id = opened.step, opened.row["item_id"]
    if step is None:
        return None
    found = await cases.cases_of_items(connection, [item_id])
    waits = bool(found) and is_awaited(step, case_state(found[0], opened.secret))
    words = CATALOGUE.get(step.code)
    return StepView(
        action=step.action,
        action_zh=_ACTIONS.get(step.action, step.action),
        leaves=step.leaves,
        found=step.found,
        now=found[0]["state"] if found else None,
        code=step.code,
        why_zh=words.zh if words else "",
        why_en=words.en if words else "",
        note=step.note if reveal or step.note is None else HIDDEN,
        masked=not reveal and step.note is not None,
        awaited=waits and _may_end_by_itself(opened.row),
    )


def _may_end_by_itself(row: Row) -> bool:
    """As `parked_steps` finds them."""
    return row["state"] == "open" and row["version"] == 1 and not row["fields"] and row["group_id"] is None


async def _related(connection: Connection, services: Services, row: Row) -> set[UUID]:
    item_id: UUID = row["item_id"]
    if row["kind"] == "duplicate":
        holder = await hints.holder_of_hint(connection, row["hint"]) if row["hint"] else None
        return {holder} - {item_id} if holder else set()
    if row["op"] != "delete":
        return set()
    target = reference_target(services.keyring, item_id)
    return set((await hints.referrers(connection, [target])).get(target, frozenset())) - {item_id}
