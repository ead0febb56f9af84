"""The demo: when its city is filled in, and what the person at the terminal is told about it."""

import shutil
from pathlib import Path
from typing import Any

import msgspec

from server.embedded.folder import DataFolder, write_private
from server.embedded.words import StartError, write


def forget_unfinished(folder: DataFolder) -> None:
    """Remove a demo city that was not filled to its end; nothing was ever served from it."""
    if folder.demo_unfinished.exists():
        shutil.rmtree(folder.postgres, ignore_errors=True)
        shutil.rmtree(folder.objects, ignore_errors=True)
        folder.demo_unfinished.unlink()


def must_be_filled(folder: DataFolder) -> bool:
    """Whether the folder is empty; one that holds the demo is played on. Raises StartError for other data."""
    if folder.demo_file.exists():
        return False
    if folder.postgres.exists():
        raise StartError(
            f"数据文件夹 {folder.path} 已有数据，演示只能在空文件夹上运行，请换用 --data",
            f"the data folder {folder.path} holds data, the demo needs an empty one: choose another --data",
        )
    return True


def refresh_address(folder: DataFolder, url: str) -> None:
    """Let `demo.json` name the address of this start, which may have another port than the one that made it."""
    if folder.demo_file.exists():
        demo: dict[str, Any] = msgspec.json.decode(folder.demo_file.read_bytes())
        if demo.get("base_url") != url:
            write_private(folder.demo_file, msgspec.json.format(msgspec.json.encode(demo | {"base_url": url})))


def tell(demo_file: Path, url: str) -> None:
    """Print the logins of the demo and where to use them."""
    demo: dict[str, Any] = msgspec.json.decode(demo_file.read_bytes())
    lines = [f"控制台 / console: {url}/console/", f"登录 / logins ({demo_file}):"]
    for login in demo["logins"]:
        lines.append(f"  {login['role']:<22} {login['phone']}  {login['password']}")
    write(1, "\n".join(lines) + "\n")
