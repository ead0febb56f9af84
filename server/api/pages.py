"""Query parameters that lists have in common."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

from server.usecases.paging import LARGEST_PAGE

TypeCode = Annotated[str | None, QueryParameter(pattern="^[0-9]{4}$", description="事项代码 Code of an item type")]
Division = Annotated[
    str | None, QueryParameter(pattern="^[0-9]{12}$", description="行政区划代码 Code of a county, street or community")
]
Cursor = Annotated[
    str | None, QueryParameter(max_length=200, description="上一页的 next 值 The value `next` of the page before")
]
Limit = Annotated[int, QueryParameter(ge=1, le=LARGEST_PAGE, description="每页条数 Entries a page")]
