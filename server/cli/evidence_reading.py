"""`onegrid evidence list`, `show` and `owing`: which photos there are, and which are still to come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from server.cli.case_options import (
    AfterOption,
    LimitOption,
    RevealOption,
    TypeOption,
    WhyOption,
    read_reveal,
)
from server.cli.conflict_options import DivisionOption, OlderOption, age_of, read_division
from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.cli.evidence_options import ItemOption, PhotoArgument, read_item, read_photo
from server.cli.evidence_tables import print_owing, print_photo, print_photos
from server.db.evidence_reading import PhotoFilter
from server.services import Services
from server.usecases.photo_views import (
    OwingPage,
    PhotoDetail,
    PhotosPage,
    list_photos,
    phones_owing,
    reveal_photo,
    show_photo,
)

State = Literal["declared", "uploading", "stored", "verified", "refused", "open", "all"]

_OPEN = ("declared", "uploading", "stored", "refused")


def list_(
    as_: AsOption,
    state: Annotated[
        State, typer.Option("--state", help="状态;open 为未核验的 / state; open is all that is not verified")
    ] = "open",
    item: ItemOption = None,
    division: DivisionOption = None,
    item_type: TypeOption = None,
    older_than: OlderOption = None,
    waiting: Annotated[
        Literal["approval", "closing"] | None,
        typer.Option("--waiting", help="审核或结案在等的 / for which that waits", show_default=False),
    ] = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """列出可查看事项的照片,登记早的在前 / list photos of items that you may read, the longest known first.

    \b
    默认列出未核验的;--waiting 列出审核(approval)或结案(closing)在等的。

    By default those that are not verified; --waiting those for which an approval or a closing waits.

    \b
    例 / Examples:
      onegrid evidence list --as 13800000005 --older-than 1d
      onegrid evidence list --as 13800000005 --waiting closing
      onegrid evidence list --as 13800000005 --state all \\
          --item 0198f3a2-6c1b-7d20 --json
    """
    age = age_of(older_than)
    narrowed = PhotoFilter(
        states=None if state == "all" else _OPEN if state == "open" else (state,),
        items=read_item(item),
        division=read_division(division),
        type=item_type,
        known_before=datetime.now(UTC) - age if age else None,
        waiting=waiting,
    )

    async def work(services: Services) -> PhotosPage:
        return await list_photos(services, await acting_as(services, as_), narrowed, after, limit)

    page = with_services(data, work)
    print_json(page) if as_json else print_photos(page, datetime.now(UTC))


def show(
    sha256: PhotoArgument,
    as_: AsOption,
    reveal: RevealOption = False,
    reason: WhyOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """一张照片:属于哪些事项、核验结果、上传情况 / a photo: its items, what its bytes told, how they are coming.

    \b
    只列可查看的事项。照片自带的拍摄位置默认遮盖;--reveal 显示,
    须写 --reason,并记入审计。照片本身在受理台查看。

    Only items that you may read are listed. Where the camera says that it was taken is masked; --reveal shows it, needs
    --reason and is audited. The picture itself is looked at on the console.

    \b
    例 / Examples:
      onegrid evidence show 3f2a91 --as 13800000005
      onegrid evidence show 3f2a91 --as 13800000005 --reveal \\
          --reason "核对拍摄位置 to compare the place"
    """
    photos, why = read_photo(sha256), read_reveal(reveal, reason)

    async def work(services: Services) -> PhotoDetail:
        caller = await acting_as(services, as_)
        return await (reveal_photo(services, caller, photos, why) if why else show_photo(services, caller, photos))

    detail = with_services(data, work)
    print_json(detail) if as_json else print_photo(detail, datetime.now(UTC))


def owing(
    as_: AsOption,
    older_than: OlderOption = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """哪些手机还欠照片,欠得久的在前 / which phones still owe photos, the longest in debt first.

    \b
    只列数量,不列照片和事项,系统管理员可用;范围同 device list。
    手机久未联网的请联系本人;已停用的不再送来,须由审核人写明免交原因。

    Numbers alone, nothing of photos or items: for administrators too, of the people whose phones they look after (as
    `device list`). A phone that was silent for long has to come online; one that is revoked sends nothing more, and the
    photo has to be waived by who decides.

    \b
    例 / Examples:
      onegrid evidence owing --as 13800000015 --older-than 2d
      onegrid evidence owing --as 13800000015 --json
    """
    age = age_of(older_than)
    before = datetime.now(UTC) - age if age else None

    async def work(services: Services) -> OwingPage:
        return await phones_owing(services, await acting_as(services, as_), before, after, limit)

    page = with_services(data, work)
    print_json(page) if as_json else print_owing(page, datetime.now(UTC))
