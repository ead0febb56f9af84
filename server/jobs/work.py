"""The jobs and their timetable, run by the library pgqueuer on PostgreSQL.

What is to be done stands in the product's tables; the queue only says where to look. So a job that fails or is killed
needs no bookkeeping of the queue: the next sweep finds what it left, after a span that grows with each attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID

import structlog
from pgqueuer import PgQueuer
from pgqueuer.models import Job, Schedule
from pgqueuer.types import Channel

from server.db.job_queue import CHANNEL, JobQueue
from server.jobs.witness import witnessing
from server.logs import failure
from server.services import Services, open_services
from server.settings import Settings
from server.usecases import compaction, erased_photos, notices, photo_checks, receipts, retention
from server.usecases.adopting import adopt_photos
from server.usecases.audit_sealing import seal_trail
from server.usecases.evidence import VERIFY_PHOTO
from server.usecases.registry_moving import run_moves
from server.usecases.returns import sweep_returns

log = structlog.get_logger()

SWEEP_EVIDENCE = "sweep_evidence"
SWEEP_ERASED = "sweep_erased"
RETENTION = "retention"
HAND_ON_RETURNS = "hand_on_returns"
ADOPT_PHOTOS = "adopt_photos"
COMPACT = "compact"
SEAL_TRAIL = "seal_trail"
SEAL_WHOLE_TRAIL = "seal_whole_trail"
PRUNE_RECEIPTS = "prune_receipts"
LAPSE_NOTICES = "lapse_notices"
TIDY = "tidy"
MOVE_ITEMS = "move_items"

# The library's cron has seconds as a sixth field; its clock is UTC, so that this is 3:17 at night in Shanghai.
_EVERY_15_SECONDS = "* * * * * */15"
_HOURLY = "7 * * * *"
_LATER_IN_THE_HOUR = "37 * * * *"
_NIGHTLY = "17 19 * * *"
_LATER_AT_NIGHT = "43 19 * * *"
_LAST_AT_NIGHT = "13 20 * * *"
_EVERY_MINUTE = "* * * * *"

# One connection listens; the others take and end jobs.
_QUEUE_CONNECTIONS = 3
# A decoded photo takes up to 300 MB for a moment.
_AT_A_TIME = 2
_LOOK_EVERY = timedelta(seconds=5)
_DEAD_AFTER = timedelta(seconds=20)
_NEVER = timedelta(0)
_SECONDS_TO_REST = 2.0


async def run(settings: Settings, stopping: asyncio.Event) -> None:
    """Work until `stopping` is set, and wait for a database that goes away. Raises StartError if it never was there."""
    async with open_services(settings) as services, witnessing(services):
        while not stopping.is_set():
            try:
                await _work(services, stopping)
            except Exception as error:
                # A database that goes away shows in many ways, some of them wrapped by the library in groups; a new
                # start of the worker is the cure for all.
                log.warning("jobs_interrupted", **failure(error))
                await _rest(stopping)


async def _work(services: Services, stopping: asyncio.Event) -> None:
    queue = await JobQueue.connect(services.settings.database_url, size=_QUEUE_CONNECTIONS)
    try:
        worker = make_worker(services, queue)
        # The library asks whether it hears itself while it is still beginning to listen, and gives up if it does not.
        await queue.queries().driver.add_listener(CHANNEL, _unheard)
        async with _stopped_by(stopping, worker):
            log.info("jobs_ready")
            await worker.run(
                dequeue_timeout=_LOOK_EVERY,
                batch_size=_AT_A_TIME // 2,
                max_concurrent_tasks=_AT_A_TIME,
                heartbeat_timeout=_DEAD_AFTER,
                shutdown_on_listener_failure=True,
                log_aggregation_interval=_NEVER,
            )
    finally:
        await queue.close()


def make_worker(services: Services, queue: JobQueue) -> PgQueuer:
    """A worker that knows every job; it runs none before its `run`."""
    queries = queue.queries()
    worker = PgQueuer(queries.driver, Channel(CHANNEL), queries=queries)

    @worker.entrypoint(VERIFY_PHOTO)
    async def verify_photo(job: Job) -> None:
        key = (job.payload or b"").decode()
        await _safely(services, VERIFY_PHOTO, lambda now: photo_checks.check_upload(now, UUID(key)), key)

    @worker.schedule(SWEEP_EVIDENCE, _EVERY_15_SECONDS)
    async def sweep_evidence(_: Schedule) -> None:
        await _safely(services, SWEEP_EVIDENCE, photo_checks.find_work)

    _schedule_sweeps(worker, services)

    @worker.schedule(RETENTION, _LATER_AT_NIGHT)
    async def run_retention(_: Schedule) -> None:
        await _safely(services, RETENTION, retention.run_by_rule)

    @worker.schedule(PRUNE_RECEIPTS, _LATER_IN_THE_HOUR)
    async def prune_receipts(_: Schedule) -> None:
        await _safely(services, PRUNE_RECEIPTS, receipts.prune)

    @worker.schedule(COMPACT, _LAST_AT_NIGHT)
    async def compact(_: Schedule) -> None:
        await _safely(services, COMPACT, compaction.compact)

    @worker.schedule(LAPSE_NOTICES, _LAST_AT_NIGHT)
    async def lapse_notices(_: Schedule) -> None:
        await _safely(services, LAPSE_NOTICES, notices.lapse)

    @worker.schedule(TIDY, _NIGHTLY)
    async def tidy(_: Schedule) -> None:
        await _safely(services, TIDY, photo_checks.discard_abandoned)
        await _safely(services, TIDY, lambda _: queries.clear_queue_log([VERIFY_PHOTO]))

    _schedule_sealing(worker, services)
    return worker


def _schedule_sealing(worker: PgQueuer, services: Services) -> None:
    @worker.schedule(SEAL_TRAIL, _EVERY_15_SECONDS)
    async def seal(_: Schedule) -> None:
        await _safely(services, SEAL_TRAIL, seal_trail)

    @worker.schedule(SEAL_WHOLE_TRAIL, _LAST_AT_NIGHT)
    async def seal_whole(_: Schedule) -> None:
        await _safely(services, SEAL_WHOLE_TRAIL, lambda now: seal_trail(now, whole=True))


def _schedule_sweeps(worker: PgQueuer, services: Services) -> None:
    """What is looked for again and again, since something may have been left half done."""

    @worker.schedule(HAND_ON_RETURNS, _HOURLY)
    async def hand_on_returns(_: Schedule) -> None:
        await _safely(services, HAND_ON_RETURNS, sweep_returns)

    @worker.schedule(ADOPT_PHOTOS, _EVERY_MINUTE)
    async def adopt(_: Schedule) -> None:
        await _safely(services, ADOPT_PHOTOS, adopt_photos)

    @worker.schedule(MOVE_ITEMS, _EVERY_MINUTE)
    async def move_items(_: Schedule) -> None:
        await _safely(services, MOVE_ITEMS, run_moves)

    @worker.schedule(SWEEP_ERASED, _EVERY_MINUTE)
    async def sweep_erased(_: Schedule) -> None:
        await _safely(services, SWEEP_ERASED, erased_photos.sweep)


async def _safely(
    services: Services, job: str, work: Callable[[Services], Awaitable[object]], key: str | None = None
) -> None:
    """Do the work with the catalogue as it is now, and log what goes wrong with it.

    Nothing is left to the library: it would write the error's text, which may quote a value, into a clear column.
    """
    try:
        await work(await services.at_present())
    except Exception as error:
        log.error("job_failed", job=job, key=key, **failure(error))


@asynccontextmanager
async def _stopped_by(stopping: asyncio.Event, worker: PgQueuer) -> AsyncGenerator[None, None]:
    """Pass the wish to stop on; the worker's own event is also set by its failures, which must not end the process."""

    async def pass_on() -> None:
        await stopping.wait()
        worker.shutdown.set()

    passing = asyncio.create_task(pass_on())
    try:
        yield
    finally:
        passing.cancel()


def _unheard(_: str | bytes | bytearray) -> None:
    """The library's own listener, which comes next, takes what is said."""


async def _rest(stopping: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_SECONDS_TO_REST):
            await stopping.wait()
