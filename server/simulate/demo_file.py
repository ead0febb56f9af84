"""`demo.json`: who may enrol phones on a demo server."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from server.settings import read
from server.simulate.words import SimulationError


class Login(Struct, frozen=True):
    """A person who signs in by password."""

    role: str
    phone: str
    password: str


class Code(Struct, frozen=True):
    """A one-time enrolment code and whose it is; `grids`: codes of those where he works."""

    code: str
    user: UUID
    role: str = ""
    grids: list[str] = []


class Demo(Struct, frozen=True):
    """What the simulation needs of the file; `enrolling` is the role whose login makes further codes."""

    base_url: str
    logins: list[Login]
    enrolling: str
    enrolment_codes: list[Code]

    @property
    def enroller(self) -> Login:
        """The login that makes enrolment codes."""
        return next(login for login in self.logins if login.role == self.enrolling)


def default_path() -> Path:
    """Where `onegrid up --demo` writes the file: in the data folder that the environment names."""
    return Path(str(read("data", os.environ)), "demo.json")


def read_demo(path: Path) -> Demo:
    """Read the file. Raises SimulationError."""
    try:
        demo = msgspec.json.decode(path.read_bytes(), type=Demo)
    except OSError as error:
        raise SimulationError(
            f"无法读取演示文件 {path}（{error.strerror}），请用 --demo-file 指明 onegrid up --demo 写出的 demo.json",
            f"the demo file {path} cannot be read ({error.strerror}): name the demo.json that onegrid up --demo wrote "
            "with --demo-file",
        ) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _not_a_demo(path) from error
    if not any(login.role == demo.enrolling for login in demo.logins):
        raise _not_a_demo(path)
    return demo


def _not_a_demo(path: Path) -> SimulationError:
    return SimulationError(
        f"{path} 不是演示文件，请用 --demo-file 指明 onegrid up --demo 写出的 demo.json",
        f"{path} is no demo file: name the demo.json that onegrid up --demo wrote with --demo-file",
    )
