"""The services a server stands on: embedded where no external one is set."""

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from server.embedded import objectstore, ports, postgres
from server.embedded.folder import DataFolder
from server.embedded.objectstore import ObjectStore
from server.embedded.part import Part, Wait, sleep_until, start, stop, wait_telling
from server.embedded.postgres import Postgres
from server.embedded.words import StartError, last_line
from server.settings import Settings

_SECONDS_TO_CREATE = 120.0
# Generous: after a crash the database first reads its log again.
_SECONDS_TO_ANSWER = 300.0
_SECONDS_TO_END = 2.5
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
# Beside its pool each process has one for the job queue, one to nudge and one for its memory.
_OWN_CONNECTIONS = 3
_SPARE_CONNECTIONS = 30


class Services:
    """Database and object store of one data folder, as far as `settings` name no external ones."""

    def __init__(self, folder: DataFolder, settings: Settings, lock: int) -> None:
        self._folder = folder
        self._settings = settings
        self._lock = lock
        self._keys = folder.keys()
        self._ports = folder.ports()
        self._postgres = None if settings.database_url else self._own_postgres()
        self._store = None if settings.s3_endpoint else self._own_store()
        self.parts: list[Part] = []
        folder.remember_ports(self._ports)

    def _own_postgres(self) -> Postgres:
        each = self._settings.db_pool_size + _OWN_CONNECTIONS
        connections = (self._settings.workers + 1) * each + _SPARE_CONNECTIONS
        port = self._port("postgres", postgres.HOST)
        return Postgres(self._folder, self._keys, self._lock, port, connections=connections)

    def _own_store(self) -> ObjectStore:
        settings = self._settings
        port = self._port("objects", objectstore.HOST)
        store = ObjectStore(self._folder, self._keys, settings.s3_bucket, port)
        if settings.host not in _LOOPBACK or settings.tls_cert:
            store.public = (settings.host, self._port("objects_public", settings.host))
        if settings.tls_cert:
            store.certificate = (
                str(Path(settings.tls_cert).absolute()),
                str(Path(settings.tls_key).absolute()),
            )
        return store

    def _port(self, service: str, host: str) -> int:
        self._ports[service] = ports.choose(host, self._ports.get(service))
        return self._ports[service]

    def start(self, wait: Wait) -> None:
        """Start both at once and wait until they answer. Raises StartError."""
        if self._store:
            self._start_store(self._store)
        if self._postgres:
            self._start_postgres(self._postgres, wait)
        for part in self.parts:
            part.wait_until_it_answers(wait, _SECONDS_TO_ANSWER)
        self._folder.publish(self._found())

    def _start_store(self, store: ObjectStore) -> None:
        store.prepare_start()
        if self._folder.was_left_running():
            store.sweep()
        self._launch("objects", store, objectstore.ASKS_TO_END)

    def _start_postgres(self, database: Postgres, wait: Wait) -> None:
        if not database.exists():
            self._create(database, wait)
        database.prepare_start()
        self._launch("postgres", database, postgres.ASKS_TO_END)

    def _create(self, database: Postgres, wait: Wait) -> None:
        steps = (("正在创建数据库", "creating the database"), ("正在创建数据库用户", "creating its owner"))
        for command, told in zip(database.creation(), steps, strict=True):
            process = start(command, self._lock)
            ended = lambda process=process: process.poll() is not None  # noqa: E731
            if not wait_telling(wait, ended, _SECONDS_TO_CREATE, *told):
                process.kill()
            if process.wait() != 0:
                why = last_line(database.log)
                raise StartError(f"无法创建数据库：{why}", f"the database cannot be created: {why}")
        database.adopt()

    def _launch(self, name: str, service: Postgres | ObjectStore, asks_to_end: int) -> None:
        part = Part(
            name=name,
            command=service.command,
            answers=service.answers,
            asks_to_end=asks_to_end,
            log=service.log,
            lock=self._lock,
        )
        self.parts.append(part)
        part.start()

    def _found(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self._postgres:
            found["ONEGRID_DATABASE_URL"] = self._postgres.url
        if self._store:
            found["ONEGRID_S3_ENDPOINT"] = self._store.endpoint
            public = self._settings.s3_public_endpoint or self._public(self._store)
            found["ONEGRID_S3_PUBLIC_ENDPOINT"] = public
            found["ONEGRID_S3_BUCKET"] = self._settings.s3_bucket
        return found

    def _public(self, store: ObjectStore) -> str:
        if store.public is None:
            return store.endpoint
        host, port = store.public
        scheme = "https" if store.certificate else "http"
        found = reachable(host)
        return f"{scheme}://{f'[{found}]' if ':' in found else found}:{port}"

    def announce(self, server: dict[str, str]) -> None:
        """Tell commands on this machine also where the server is found; taken back by `stop`."""
        self._folder.publish(self._found() | server)

    def environ(self) -> dict[str, str]:
        """Settings that lead a process of the server to the services; to be laid over the environment.

        The master key is read anew, for it may have been changed since the start.
        """
        store = self._keys.objects() if self._store else {}
        with suppress(StartError):
            self._keys = self._folder.keys()
        master = {} if self._settings.master_key else self._keys.master()
        return self._found() | store | master

    def stop(self, wait: Wait) -> None:
        """End both and take back what `publish` said."""
        stop(self.parts, wait, _SECONDS_TO_END)
        self._folder.withdraw()


def here(host: str) -> str:
    """Address of a server that listens on `host`, for a program on the same machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - replaced, not listened on


def reachable(host: str) -> str:
    """`host`, or where it stands for every address of this machine: the one on its way to the network."""
    if host not in _ANY:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        # Connecting a datagram socket sends nothing; it only picks the address to send from.
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"


@contextmanager
def running(data: Path, settings: Settings | None = None) -> Generator[dict[str, str]]:
    """PostgreSQL and S3 on the folder `data`, without a server; yields their `ONEGRID_*` settings.

    For tests and for commands that work on a folder whose server is stopped. Raises StartError.
    """
    folder = DataFolder(data)
    lock = folder.acquire(sleep_until)
    services = Services(folder, settings or Settings(), lock)
    try:
        services.start(sleep_until)
        yield services.environ()
    finally:
        services.stop(sleep_until)
        os.close(lock)
