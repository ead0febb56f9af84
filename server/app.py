"""The web application: routes, dependencies, refusals and what stands around them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from litestar import Litestar
from litestar.di import Provide

from server import logs
from server.access_log import AccessLog
from server.api import ROUTES
from server.api.openapi import config as openapi_config
from server.api.polls import AnswerPolls
from server.api.requests import ApiRequest
from server.api.session_guard import provide_caller, provide_services
from server.api.uploads import Tus
from server.compression import CompressAnswers
from server.console import ROUTER as CONSOLE
from server.memory import Memory, keep
from server.problems import answer_unavailable, handlers
from server.services import open_services
from server.settings import Settings
from server.storage.objects import StoreUnavailable


def create_app(settings: Settings) -> Litestar:
    """The application; it opens what it needs when it is started, and closes it when it is stopped."""
    logs.configure(settings.log_level, settings.log_format)
    memory = Memory()
    app = Litestar(
        route_handlers=[*ROUTES, CONSOLE],
        dependencies={
            "services": Provide(provide_services),
            "caller": Provide(provide_caller),
        },
        exception_handlers=handlers() | {StoreUnavailable: answer_unavailable},
        lifespan=[_open(settings, memory)],
        logging_config=None,
        openapi_config=openapi_config(version("onegrid")),
        request_class=ApiRequest,
        request_max_body_size=settings.max_body_bytes,
    )
    app.asgi_handler = AnswerPolls(Tus(AccessLog(CompressAnswers(app.asgi_handler))), memory)
    return app


def _open(settings: Settings, memory: Memory) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None, None]:
        async with open_services(settings, memory) as services, keep(memory, settings.database_url):
            app.state.services = services
            yield

    return lifespan
