"""Structured logs on stderr: one line a request, and no value that a person entered."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from traceback import extract_tb
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(level: str = "info", form: Literal["json", "console"] = "json") -> None:
    """Send everything that is logged, by libraries too, to stderr in one form."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                _without_exception_text,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(form),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())


def failure(error: BaseException) -> dict[str, Any]:
    """What may be logged of an error: what kind it is and where it arose, never its text, which may quote a value."""
    return {
        "errors": [_described(one) for one in _chain(error)],
        "frames": [f"{f.filename}:{f.lineno} {f.name}" for f in extract_tb(error.__traceback__)[-12:]],
    }


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        if isinstance(seen, BaseExceptionGroup):
            yield from seen.exceptions
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def _described(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    # Of a database's error: its code, and the constraint that this program named.
    marks = (getattr(error, "sqlstate", None), getattr(error, "constraint_name", None))
    return " ".join([name, *(str(mark) for mark in marks if mark)])


def _without_exception_text(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A library's traceback ends with the text of the error, which may quote a value."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event.update(failure(error))
    return event


def _renderer(form: Literal["json", "console"]) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
