"""A copy of the project to break: its files as they are now, those that git ignores left out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.mutants.patching import Patch, patched

ROOT = Path(__file__).parents[2]
_IGNORED = frozenset({"__pycache__", "build", "dist"})


def copy_tree(target: Path) -> None:
    """Copy all files of the project, also those that are not committed yet."""
    for name in _files():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, file)


def break_tree(root: Path, patch: Patch) -> None:
    """Apply a patch to a copy, all of it or nothing. Raises StaleError."""
    for file, text in list(patched(root, patch)):
        file.write_text(text, "utf-8")


def _files() -> list[str]:
    return _known_to_git() if (ROOT / ".git").exists() else _found()


def _known_to_git() -> list[str]:
    asked = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in dict.fromkeys(names) if name and (ROOT / name).is_file()]


def _found() -> list[str]:
    """An unpacked tree: nobody says what is ignored, so what is hidden or made by tools is."""
    inside = (file.relative_to(ROOT) for file in ROOT.rglob("*") if file.is_file())
    return [str(name) for name in inside if not any(part[0] == "." or part in _IGNORED for part in name.parts)]
