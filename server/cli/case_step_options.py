"""What `onegrid case step` is told: which step, and what the table of cases says that it needs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import typer
from msgspec import Struct

from server.cli.case_words import read_moment
from sync.case_table import CaseStatus

Step = Literal[
    "accept",
    "decline",
    "dispatch",
    "attach",
    "set_urgency",
    "sign",
    "handle",
    "verify",
    "redo",
    "close",
    "send_back",
    "extend",
    "hold",
    "resume",
    "void",
    "reopen",
    "escalate",
    "approve",
    "refuse",
    "withdraw",
]
"""The steps of the table of cases, and the answers to a request."""
Tier = Literal["community", "street", "county", "city"]

StepArgument = Annotated[Step, typer.Argument(metavar="STEP", help="步骤,见上 / a step, as above", show_default=False)]
CodeOption = Annotated[
    str | None, typer.Option("--code", help="原因代码,见 case show / reason code of a way out", show_default=False)
]
NoteOption = Annotated[
    str | None, typer.Option("--note", help="说明(加密保存)/ a note, kept sealed", show_default=False)
]
TierOption = Annotated[
    Tier | None, typer.Option("--tier", help="单位层级 / tier of the organisation", show_default=False)
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="延期至 / the new deadline", show_default=False)
]
UrgencyOption = Annotated[
    str | None, typer.Option("--urgency", help="紧急程度 / critical, urgent, normal", show_default=False)
]
WaiverOption = Annotated[
    str | None, typer.Option("--waiver", help="免交照片的原因 / why needed photos are waived", show_default=False)
]
PhotoOption = Annotated[
    list[str] | None,
    typer.Option("--photo", metavar="SHA256-SIZE", help="处置后照片 / a photo from after", show_default=False),
]
RequestOption = Annotated[
    str | None, typer.Option("--request", metavar="STEP", help="所批的申请 / the request answered", show_default=False)
]
LeavesOption = Annotated[
    CaseStatus | None,
    typer.Option("--from", help="须为此状态,否则不办 / only if it is in this state", show_default=False),
]

_PHOTO = re.compile(r"([0-9a-f]{64})-([0-9]{1,15})")


class Typed(Struct, frozen=True, kw_only=True):
    """What was typed beside the step and its organisation."""

    code: str | None
    note: str | None
    tier: Tier | None
    until: str | None
    urgency: str | None
    waiver: str | None
    photos: list[str] | None
    request: str | None

    def given(self) -> dict[str, Any]:
        """The same as a `CaseAction` takes it, without what was left out. Raises BadParameter."""
        given = {
            "reason": self.code,
            "note": self.note,
            "tier": self.tier,
            "until": read_moment(self.until, "--until"),
            "urgency": self.urgency,
            "waiver": self.waiver,
            "request": self.request,
            "photos": [_photo(one) for one in self.photos or []] or None,
        }
        return {key: value for key, value in given.items() if value is not None}


def _photo(text: str) -> dict[str, Any]:
    matched = _PHOTO.fullmatch(text)
    if matched is None:
        message = "请写 SHA256-字节数,见 evidence list / write SHA256-SIZE, as `evidence list --json` gives them"
        raise typer.BadParameter(message, param_hint="--photo")
    return {"sha256": matched[1], "size": int(matched[2])}
