"""Starts services, migration, server processes and jobs in order; keeps them up; stops them."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from server.embedded import demo, health
from server.embedded.attention import Attention, StopAsked
from server.embedded.folder import DataFolder
from server.embedded.keeper import Keeper
from server.embedded.listener import listen
from server.embedded.part import Command, Part, start, stop, wait_telling
from server.embedded.plan import Plan
from server.embedded.services import Services, here, reachable
from server.embedded.words import NEW_EPOCH, NEXT_KEY_IN_USE, StartError, last_line, say, write
from server.settings import Settings

_SECONDS_TO_MIGRATE = 600.0
_SECONDS_TO_FILL = 600.0
_SECONDS_TO_SERVE = 60.0
_SECONDS_TO_FINISH_REQUESTS = 5.3
_SECONDS_FOR_ORPHANS = 0.3
_LONGEST_REST = 30.0
_PR_SET_CHILD_SUBREAPER = 36
_GONE_BACK = (
    "数据库被恢复过，已开始新纪元，各手机将自动核对并补交",
    "the database has gone back: a new epoch began, and phones will compare and send again what it lacks",
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks for beyond the settings."""

    demo: bool = False
    once: bool = False


class Supervisor:
    """One `onegrid up`."""

    def __init__(self, settings: Settings, options: Options, plan: type[Plan] = Plan) -> None:
        self._settings = settings
        self._options = options
        self._make_plan = plan
        self._attention = Attention()
        self._folder = DataFolder(Path(settings.data))
        self._services: Services | None = None
        self._parts: list[Part] = []
        self._helper: subprocess.Popen[bytes] | None = None
        self._serving: set[int] = set()
        self._ready_read, self._ready_write = os.pipe()
        os.set_blocking(self._ready_read, False)
        _adopt_orphans()

    def run(self) -> int:
        """Serve until told to stop; exit status. Raises StartError when it cannot start or stay up."""
        try:
            self._lock = self._folder.acquire(self._attention)
            self._listener = listen(self._settings.host, self._settings.port)
            return self._run()
        except StopAsked:
            return 1 if self._options.once else 0
        finally:
            self._attention.stopping = True
            self._stop()

    def _run(self) -> int:
        demo.forget_unfinished(self._folder)
        fill = self._options.demo and demo.must_be_filled(self._folder)
        if fill:
            self._folder.demo_unfinished.touch()
        plan = self._start_services()
        self._prepare(plan)
        if fill:
            self._fill(plan)
        demo.refresh_address(self._folder, self._url(here(self._settings.host)))
        self._start_server(plan)
        self._announce()
        write(1, f"ready: {self._url(self._settings.host)}\n")
        return self._keep_up(plan)

    def _start_services(self) -> Plan:
        services = self._services = Services(self._folder, self._settings, self._lock)
        services.start(self._attention)
        own = self._own_environ()
        return self._make_plan(environ=lambda: services.environ() | own, logs=self._folder.logs)

    def _announce(self) -> None:
        """Commands on this machine make addresses for phones out of this."""
        assert self._services is not None
        settings = self._settings
        where = {"ONEGRID_HOST": reachable(settings.host), "ONEGRID_PORT": str(self._port)}
        tls = {"ONEGRID_TLS_CERT": settings.tls_cert, "ONEGRID_TLS_KEY": settings.tls_key} if settings.tls_cert else {}
        self._services.announce(where | tls)

    def _own_environ(self) -> dict[str, str]:
        settings = self._settings
        return {
            "ONEGRID_DATA": str(self._folder.path),
            "ONEGRID_HOST": settings.host,
            "ONEGRID_PORT": str(self._port),
            "ONEGRID_WORKERS": str(settings.workers),
            "PROMETHEUS_MULTIPROC_DIR": str(self._folder.fresh_metrics()),
        }

    @property
    def _port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _url(self, host: str) -> str:
        scheme = "https" if self._settings.tls_cert else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self._port}"

    def _prepare(self, plan: Plan) -> None:
        command = plan.prepare()
        told = (_SECONDS_TO_MIGRATE, "正在升级数据库", "migrating the database")
        status = self._run_helper(command, lambda ended: wait_telling(self._attention, ended, *told))
        said = self._helper.stdout.read().decode() if self._helper and self._helper.stdout else ""
        if status == 0:
            if NEXT_KEY_IN_USE in said and not self._settings.master_key:
                self._folder.adopt_next_key()
            if NEW_EPOCH in said:
                say(*_GONE_BACK)
            return
        zh, _, en = said.strip().partition(" / ")
        why = last_line(command.log) if command.log else ""
        if not en:
            zh, en = f"数据库升级失败：{why}", f"the migration failed: {why}"
        raise StartError(zh, en)

    def _fill(self, plan: Plan) -> None:
        command = plan.demo_fill(self._folder.path, self._url(here(self._settings.host)))
        # It tells by itself how far it has come.
        if self._run_helper(command, lambda ended: self._attention(ended, _SECONDS_TO_FILL)) != 0:
            raise StartError("演示数据生成失败", "the demo city could not be filled in")
        self._folder.demo_unfinished.unlink()

    def _run_helper(self, command: Command, wait: Callable[[Callable[[], bool]], bool]) -> int:
        helper = self._helper = start(command, self._lock)
        if not wait(lambda: helper.poll() is not None):
            helper.kill()
        return helper.wait()

    def _start_server(self, plan: Plan) -> None:
        listener = self._listener.fileno()
        server = partial(plan.server, listener, self._ready_write)
        for number in range(self._settings.workers):
            name = f"server-{number + 1}"
            self._parts.append(Part(name=name, command=server, lock=self._lock, answers=self._says_ready))
        self._parts.append(Part(name="jobs", command=plan.jobs, lock=self._lock))
        for each in self._parts:
            each.start()
        for each in self._parts:
            each.wait_until_it_answers(self._attention, _SECONDS_TO_SERVE)
        self._wait_until_healthy()

    def _says_ready(self, pid: int) -> bool:
        with suppress(BlockingIOError):
            said = os.read(self._ready_read, 4096)
            self._serving.update(int(line) for line in said.split())
        return pid in self._serving

    def _wait_until_healthy(self) -> None:
        host, tls = here(self._settings.host), bool(self._settings.tls_cert)
        healthy = partial(health.is_ready, host, self._port, tls=tls)
        told = ("等待服务就绪", "waiting for the server")
        if not wait_telling(self._attention, healthy, _SECONDS_TO_SERVE, *told):
            raise StartError(
                "服务器启动后仍未就绪，请查看上面的日志",
                "the server started but is not ready: see its log above",
            )

    def _keep_up(self, plan: Plan) -> int:
        services = self._services.parts if self._services else []
        keepers = [Keeper(part) for part in (*services, *self._parts)]
        url = self._url(here(self._settings.host))
        day = start(plan.demo_day(self._folder.demo_file, url), self._lock) if self._options.demo else None
        self._helper = day
        while True:
            rest = min(keeper.look() for keeper in keepers)
            if day and day.poll() is not None:
                demo.tell(self._folder.demo_file, url)
                if self._options.once:
                    return 0 if day.returncode == 0 else 1
                day = None
            self._reap_orphans()
            self._attention.rest(min(rest, _LONGEST_REST))

    def _stop(self) -> None:
        """Server first, so that requests in flight still find their services; 10 seconds at most."""
        helpers = [self._helper] if self._helper and self._helper.poll() is None else []
        for helper in helpers:
            helper.terminate()
        stop(self._parts, self._attention, _SECONDS_TO_FINISH_REQUESTS)
        for helper in helpers:
            helper.kill()
            helper.wait()
        if self._services:
            self._services.stop(self._attention)
        self._attention(lambda: not self._reap_orphans(), _SECONDS_FOR_ORPHANS)
        self._attention(self._end_orphans, _SECONDS_FOR_ORPHANS)

    def _end_orphans(self) -> bool:
        orphans = self._reap_orphans()
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)
        return not orphans

    def _reap_orphans(self) -> list[int]:
        """Children of parts that died come to us; collect those that ended, give those that run."""
        known = {part.process.pid for part in self._all_parts() if part.process}
        if self._helper:
            known.add(self._helper.pid)
        strangers = [pid for pid in _children() if pid not in known]
        return [pid for pid in strangers if not _has_ended(pid)]

    def _all_parts(self) -> list[Part]:
        return [*self._parts, *(self._services.parts if self._services else [])]


def _adopt_orphans() -> None:
    """Processes left by a part that was killed become ours, so that none outlives us unseen (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(ctypes.c_int(_PR_SET_CHILD_SUBREAPER), ctypes.c_ulong(1), 0, 0, 0)


def _children() -> list[int]:
    with suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    return []


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
