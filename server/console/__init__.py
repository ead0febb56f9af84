"""The console at /console/: server-rendered pages for people at desks, in Chinese and English, without any script."""

from __future__ import annotations

from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from server.console import (
    case_desk,
    conflict_pages,
    device_pages,
    export_page,
    grid_page,
    home_page,
    item_pages,
    map_page,
    people_pages,
    queue_page,
    registry_page,
    search_page,
    sign_in,
    static_files,
)
from server.console.problems import page_handlers
from server.console.visit import Visit, provide_form, provide_visit
from server.errors import Problem


@get("/{path:path}")
async def _nothing_here(visit: NamedDependency[Visit], path: FromPath[str]) -> None:
    """Any other address: a page that says so, for who is signed in."""
    raise Problem("not_found")


ROUTER = Router(
    "/console",
    route_handlers=[
        home_page.home,
        sign_in.show,
        sign_in.take,
        sign_in.leave,
        queue_page.show,
        queue_page.decide,
        queue_page.undo,
        item_pages.show,
        item_pages.act,
        item_pages.photo,
        case_desk.show,
        conflict_pages.show,
        conflict_pages.one,
        conflict_pages.act,
        search_page.show,
        search_page.find,
        export_page.show,
        export_page.take,
        people_pages.show,
        people_pages.person,
        people_pages.reveal,
        device_pages.show,
        device_pages.device,
        device_pages.ask,
        device_pages.act,
        registry_page.show,
        map_page.show,
        grid_page.show,
        static_files.static,
        _nothing_here,
    ],
    dependencies={"visit": Provide(provide_visit), "form": Provide(provide_form)},
    exception_handlers=page_handlers(),
    include_in_schema=False,
)
