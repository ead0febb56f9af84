"""The data folder: who uses it, its keys, and where its running services are found.

lock             held by every process of a running server; free again only when the last of them is gone
keys.json        master key, S3 keys and database password; without it the data cannot be read
ports.json       ports of the embedded services, so that addresses signed yesterday still lead somewhere
connection.json  present while the services run: how to reach them
postgres/ objects/ run/ logs/ demo.json
"""

import base64
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Self

import msgspec

from server.embedded.words import StartError

_LEFTOVERS_GRACE = 10.0


class Keys(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Secrets of one data folder. `master_key_next`: drawn by a rotation that has not ended; either may be in use."""

    master_key: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    s3_access_key: str
    s3_secret_key: str
    database_password: str
    master_key_next: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)] | None = None

    @classmethod
    def generate(cls) -> Self:
        """Draw new secrets."""
        return cls(
            master_key=secrets.token_bytes(32),
            s3_access_key="OG" + secrets.token_hex(9).upper(),
            s3_secret_key=secrets.token_hex(20),
            database_password=secrets.token_hex(20),
        )

    def master(self) -> dict[str, str]:
        """The master key, and the one that is about to replace it, as settings."""
        keys = {"ONEGRID_MASTER_KEY": self.master_key, "ONEGRID_MASTER_KEY_NEXT": self.master_key_next}
        return {name: base64.b64encode(key).decode() for name, key in keys.items() if key}

    def objects(self) -> dict[str, str]:
        """The keys of the embedded object store as settings."""
        return {"ONEGRID_S3_ACCESS_KEY": self.s3_access_key, "ONEGRID_S3_SECRET_KEY": self.s3_secret_key}

    def __repr__(self) -> str:
        return "Keys(***)"


class DataFolder:
    """One data folder. Nothing outside of it is ever written."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.postgres = self.path / "postgres"
        self.objects = self.path / "objects"
        self.run = self.path / "run"
        self.logs = self.path / "logs"
        self.demo_file = self.path / "demo.json"
        self.demo_unfinished = self.path / "demo.unfinished"
        self._connection = self.path / "connection.json"

    def acquire(self, wait: Callable[[Callable[[], bool], float], bool]) -> int:
        """Take the folder for this process tree; the lock's descriptor is to be handed to every child.

        After a supervisor was killed, what it started may need a moment to end: then `wait(condition, seconds)`
        is called. Raises StartError if another server runs on the folder.
        """
        self._make()
        self._refuse_other_owner()
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        free = _try_lock(lock) or (not _owner_lives(lock) and wait(lambda: _try_lock(lock), _LEFTOVERS_GRACE))
        if not free:
            os.close(lock)
            raise StartError(
                f"数据文件夹 {self.path} 正被另一个 onegrid 使用，请先停止它或换用 --data",
                f"the data folder {self.path} is used by another onegrid: stop it or choose another --data",
            )
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock

    def _make(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.run, self.logs):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StartError(
                f"无法写入数据文件夹 {self.path}（{error.strerror}），请换用 --data",
                f"the data folder {self.path} cannot be written ({error.strerror}): choose another --data",
            ) from error

    def _refuse_other_owner(self) -> None:
        """What another user wrote here could not be read, or would be mixed with files that he cannot read."""
        file = self.path / "keys.json"
        if file.exists() and file.stat().st_uid != os.geteuid():
            raise StartError(
                f"数据文件夹 {self.path} 由另一个用户（uid {file.stat().st_uid}）建立，请以该用户运行",
                f"the data folder {self.path} was made by another user (uid {file.stat().st_uid}): "
                "run onegrid up as that user",
            )

    def keys(self) -> Keys:
        """The folder's secrets, drawn when it is new. Raises StartError if it holds data and they are gone."""
        file = self.path / "keys.json"
        if not file.exists() and not self.postgres.exists() and not self.objects.exists():
            write_private(file, msgspec.json.encode(Keys.generate()))
        return _read_keys(file)

    @contextmanager
    def changing_keys(self) -> Generator[None]:
        """For as long as the block runs, nobody else changes the keys. Raises StartError if somebody does."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            if not _try_lock(folder):
                raise StartError(
                    "另一个 onegrid 正在更换主密钥，请等它结束",
                    "another onegrid is changing the master key: wait until it ends",
                )
            yield
        finally:
            os.close(folder)

    def draw_next_key(self) -> bytes:
        """Keep a new master key beside the one in use, before anything is wrapped by it; one that is there stays."""
        keys = self.keys()
        if keys.master_key_next is None:
            keys = msgspec.structs.replace(keys, master_key_next=secrets.token_bytes(32))
            write_private(self.path / "keys.json", msgspec.json.encode(keys))
        assert keys.master_key_next is not None
        return keys.master_key_next

    def adopt_next_key(self) -> None:
        """Let go of the old master key, now that the root is wrapped by the next one."""
        keys = self.keys()
        if keys.master_key_next is not None:
            keys = msgspec.structs.replace(keys, master_key=keys.master_key_next, master_key_next=None)
            write_private(self.path / "keys.json", msgspec.json.encode(keys))

    def ports(self) -> dict[str, int]:
        """Remembered ports by service."""
        file = self.path / "ports.json"
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int]) if file.exists() else {}

    def remember_ports(self, ports: dict[str, int]) -> None:
        """Keep `ports` for the next start."""
        write_private(self.path / "ports.json", msgspec.json.encode(ports))

    def publish(self, environ: dict[str, str]) -> None:
        """Tell commands on this machine how to reach the embedded services."""
        write_private(self._connection, msgspec.json.encode(environ))

    def withdraw(self) -> None:
        """The services run no longer."""
        self._connection.unlink(missing_ok=True)

    def fresh_metrics(self) -> Path:
        """An empty folder in which the processes of this run share what they count."""
        metrics = self.run / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(mode=0o700)
        return metrics

    def was_left_running(self) -> bool:
        """Whether the last server on this folder ended without stopping in order."""
        return self._connection.exists()

    def connection(self) -> dict[str, str]:
        """Settings that lead to the running services. Raises StartError if nothing runs on the folder."""
        if not self._connection.exists():
            raise StartError(
                f"数据文件夹 {self.path} 上没有运行中的服务器，请先运行 onegrid up",
                f"no server runs on the data folder {self.path}: start one with onegrid up",
            )
        found = msgspec.json.decode(self._connection.read_bytes(), type=dict[str, str])
        keys = _read_keys(self.path / "keys.json")
        store = keys.objects() if "ONEGRID_S3_ENDPOINT" in found else {}
        return found | keys.master() | store


def write_private(file: Path, content: bytes) -> None:
    """Replace a file, readable by its owner alone; after a power cut it is the old or the new one."""
    fresh = file.with_name(file.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_keys(file: Path) -> Keys:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Keys)
    except (OSError, msgspec.MsgspecError) as error:
        raise StartError(
            f"无法读取密钥文件 {file}，请从备份恢复；没有它数据无法解密",
            f"the key file {file} cannot be read: restore it from a backup, without it the data stays sealed",
        ) from error


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner_lives(lock: int) -> bool:
    """Whether the supervisor named in the lock still runs; where that cannot be told, it does."""
    text = os.pread(lock, 32, 0).strip()
    if not text.isdigit():
        return True
    stat = Path("/proc", text.decode(), "stat")
    if Path("/proc/self/stat").exists():
        # A killed supervisor whose own parent has not looked yet is a zombie (Z), and as good as gone.
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(int(text), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
