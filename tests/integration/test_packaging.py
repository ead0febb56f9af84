"""The wheel holds everything that runs: SQL, templates, static files, the catalogue, the demo and the migrations."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = {".sql", ".json", ".geojson", ".html", ".css", ".mako", ".typed", ".svg", ".csv"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_every_module_and_data_file_is_in_the_wheel(wheel):
    packed = set(wheel.namelist())
    for package in ("server", "sync", "schemas", "migrations"):
        ours = [file for file in (ROOT / package).rglob("*") if file.suffix in DATA | {".py"}]
        missing = {file.relative_to(ROOT).as_posix() for file in ours if "__pycache__" not in file.parts} - packed
        assert not missing


@pytest.mark.parametrize(
    "name",
    [
        "schemas/data/catalogue-2024.2.json",
        "server/db/queries/push.sql",
        "migrations/sql/0001_initial.sql",
        "server/demo/data/divisions.json",
        "server/console/templates/queue.html",
        "server/console/static/console.css",
    ],
)
def test_known_data_is_in_the_wheel(wheel, name):
    assert name in wheel.namelist()


def test_nothing_else_is_in_the_wheel(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"server", "sync", "schemas", "migrations"}


def test_the_command_is_declared(wheel):
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "onegrid = server.cli:main" in wheel.read(entry_points).decode()
