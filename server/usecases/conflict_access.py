"""Who may see and settle which conflicts, and how a conflict is opened for him.

A person sees the conflicts of the items that he may settle (`sync.disputes.settling_grants`) and no others: everything
else is as if it did not exist.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct, convert
from msgspec.structs import replace

from schemas.forms import CompiledType
from server.db import conflicts
from server.db.conflicts import ConflictFilter
from server.db.database import Connection, Row
from server.errors import Problem
from server.services import Services
from server.usecases.sealed_items import Vault
from server.usecases.sessions import Caller
from server.usecases.standing_rows import open_text
from sync.access import Grant
from sync.decisions import PLACING_KINDS, HeldPlace, Step
from sync.disputes import SETTLING_ROLES, Dispute, settling_grants
from sync.merge import Overlap
from sync.placing import UnsettledCode

SHORTEST_PREFIX = 6
_DIGITS = re.compile(rf"[0-9A-Fa-f]{{{SHORTEST_PREFIX},32}}")


class Opened(Struct, frozen=True):
    """A conflict's row, its item's key and form, and what both sides say, unsealed.

    `claim`: of a held item the code that it is about, or where it belongs. `step`: of a case, with its note.
    """

    row: Row
    secret: bytes
    compiled: CompiledType
    overlaps: dict[str, Overlap]
    claim: UnsettledCode | HeldPlace | None
    step: Step | None

    @property
    def dispute(self) -> Dispute:
        """The conflict as the core sees it."""
        row = self.row
        return Dispute(row["id"], row["kind"], self.overlaps, self.claim, row["op"], self.step)


def grants_of(services: Services, actor: Caller) -> Sequence[Grant]:
    """The items whose conflicts this person may settle; raises Problem `forbidden` if he has no role for it at all."""
    item_types = [compiled.type for compiled in services.catalogue.types.values()]
    grants = () if actor.revoked else settling_grants(actor.assignments, item_types)
    if grants:
        return grants
    roles = [role for role in services.catalogue.source.roles if role.code in SETTLING_ROLES]
    raise Problem(
        "forbidden",
        detail_zh=f"处理冲突须有以下角色之一:{'、'.join(role.zh for role in roles)};请由有此角色的人处理。",
        detail_en=f"Settling conflicts needs one of these roles: {', '.join(role.en for role in roles)}; "
        "ask someone who has one.",
    )


def id_range(text: str) -> tuple[UUID, UUID]:
    """The least and the greatest id that begin with these hexadecimal digits; raises ValueError for too few or none."""
    digits = text.replace("-", "")
    if _DIGITS.fullmatch(digits) is None:
        raise ValueError("not the beginning of an id")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


async def find_conflict(connection: Connection, grants: Sequence[Grant], ids: tuple[UUID, UUID]) -> Row:
    """The one conflict with an id in this range; raises Problem `not_found`, or `parameter_invalid` for several."""
    rows = await conflicts.select_conflicts(connection, grants, ConflictFilter(least=ids[0], most=ids[1]), 2)
    if not rows:
        raise Problem("not_found")
    if len(rows) > 1:
        raise Problem(
            "parameter_invalid",
            detail_zh="有多个冲突以此开头,请多写几位编号。",
            detail_en="Several conflicts begin so; write more digits of the id.",
        )
    return rows[0]


def open_conflict(services: Services, vault: Vault, row: Row) -> Opened:
    """Unseal the values of a conflict that was found within the reader's grants."""
    secret = vault.keyring.open_key(row["item_id"].bytes, row["wrapped"])
    overlaps = vault.open_overlaps(row, row["item_id"], secret)
    return Opened(row, secret, services.catalogue.types[row["type"]], overlaps, _claim(row), _step(row, secret))


def _claim(row: Row) -> UnsettledCode | HeldPlace | None:
    if row["claim"] is None:
        return None
    return convert(row["claim"], UnsettledCode if row["kind"] in PLACING_KINDS else HeldPlace)


def _step(row: Row, secret: bytes) -> Step | None:
    if row["step"] is None:
        return None
    step = convert(row["step"], Step)
    return replace(step, note=open_text(row["item_id"], row["note"], secret))
