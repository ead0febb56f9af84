"""`onegrid up`: starts, serves, stops, and leaves nothing behind."""

import http.client
import os
import signal
import socket
import ssl
import stat
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import minio
import pytest

from server.embedded.connection import connection, local_settings
from tests.integration.certificates import self_signed
from tests.integration.up_process import Up, left_running, running_up, used


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A used data folder below a closed folder, with a name that people use."""
    closed = tmp_path / "网格 数据:1"
    closed.mkdir(mode=0o700)
    return used(closed / "data")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A data folder that is yet to be made, below a closed folder, with a name that people use."""
    closed = tmp_path / "网格 数据:2"
    closed.mkdir(mode=0o700)
    return closed / "data"


def answer_of(address: str, path: str = "/") -> http.client.HTTPResponse:
    """The answer to a GET, its body not read yet."""
    parts = urlsplit(address)
    secure = ssl.create_default_context()
    secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE
    if parts.scheme == "https":
        client = http.client.HTTPSConnection(parts.netloc, timeout=10, context=secure)
    else:
        client = http.client.HTTPConnection(parts.netloc, timeout=10)
    client.request("GET", path)
    return client.getresponse()


def status_of(address: str) -> int:
    return answer_of(address).status


def test_it_serves_then_stops_and_leaves_nothing(new: Path, tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    with running_up(new, HOME=str(home), TMPDIR=str(temporary)) as up:
        assert status_of(up.address) == 200
        started = set(up.tree())
        code, out, _ = up.stop()
    assert started == {"postgres", "rclone", "server", "jobs"}
    assert (code, out) == (0, "")
    assert left_running(new) == []
    assert not list(home.rglob("*"))
    assert not list(temporary.rglob("*"))
    assert [path.name for path in new.parent.iterdir()] == ["data"]


def test_secrets_are_for_the_owner_alone(new: Path) -> None:
    with running_up(new):
        modes = {name: stat.S_IMODE((new / name).stat().st_mode) for name in ("keys.json", "connection.json", ".")}
    assert modes == {"keys.json": 0o600, "connection.json": 0o600, ".": 0o700}
    assert not (new / "connection.json").exists()


def test_commands_on_the_folder_learn_where_the_server_is(data: Path) -> None:
    with running_up(data) as up:
        found = local_settings({}, data)
        assert up.address == f"http://{found.host}:{found.port}"


def test_secrets_are_in_no_command_line(data: Path) -> None:
    with running_up(data) as up:
        found = connection(data)
        lines = "".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in up.tree().values())
    password = urlsplit(found["ONEGRID_DATABASE_URL"]).password
    assert password
    for secret in (password, found["ONEGRID_S3_SECRET_KEY"], found["ONEGRID_MASTER_KEY"]):
        assert secret not in lines


def store(found: dict[str, str], endpoint: str = "ONEGRID_S3_ENDPOINT") -> minio.Minio:
    scheme, _, host = found[endpoint].partition("://")
    keys = found["ONEGRID_S3_ACCESS_KEY"], found["ONEGRID_S3_SECRET_KEY"]
    return minio.Minio(host, *keys, secure=scheme == "https", region="us-east-1", cert_check=False)


async def test_data_survives_a_restart(data: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo"
    photo.write_bytes(os.urandom(300_000))
    with running_up(data):
        first = connection(data)
        database = await asyncpg.connect(first["ONEGRID_DATABASE_URL"])
        await database.execute("CREATE TABLE kept AS SELECT '琅琊区' AS word")
        await database.close()
        store(first).fput_object("onegrid", "photos/one", str(photo))
    with running_up(data):
        second = connection(data)
        database = await asyncpg.connect(second["ONEGRID_DATABASE_URL"])
        assert await database.fetchval("SELECT word FROM kept") == "琅琊区"
        await database.close()
        assert store(second).get_object("onegrid", "photos/one").read() == photo.read_bytes()
    # The server took any free port; everything behind it is where it was.
    assert first | {"ONEGRID_PORT": ""} == second | {"ONEGRID_PORT": ""}


async def test_the_database_knows_chinese_and_trusts_nobody(data: Path) -> None:
    with running_up(data):
        url = connection(data)["ONEGRID_DATABASE_URL"]
        database = await asyncpg.connect(url)
        await database.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        assert await database.fetchval("SELECT cardinality(show_trgm('琅琊区'))") > 0
        assert await database.fetchval("SHOW fsync") == "on"
        assert await database.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        await database.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url.replace("onegrid:", "onegrid:x"))


def test_ctrl_c_stops_it_too(data: Path) -> None:
    with running_up(data) as up:
        os.killpg(up.process.pid, signal.SIGINT)
        assert up.ended(seconds=10)[0] == 0
    assert left_running(data) == []


def test_a_request_in_flight_is_answered_before_the_end(data: Path) -> None:
    with running_up(data) as up:
        begun = answer_of(up.address, "/slow")
        assert up.stop()[0] == 0
        assert begun.read() == b"tiny\n"


def test_stopping_while_it_starts_leaves_nothing(new: Path) -> None:
    up = Up(new)
    while not (new / "postgres").exists():
        assert up.process.poll() is None
    assert up.stop()[0] == 0
    assert left_running(new) == []


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_several_server_processes_share_the_port_with_tls(data: Path, tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    tls = {"ONEGRID_TLS_CERT": str(cert), "ONEGRID_TLS_KEY": str(key)}
    with running_up(data, ONEGRID_WORKERS="2", **tls) as up:
        assert up.address.startswith("https://")
        assert status_of(up.address) == 200
        found = connection(data)
        assert found["ONEGRID_S3_PUBLIC_ENDPOINT"].startswith("https://")
        assert store(found, "ONEGRID_S3_PUBLIC_ENDPOINT").bucket_exists("onegrid")


def refusal(up: Up) -> str:
    """The one sentence of a server that refuses to start."""
    code, out, err = up.ended()
    assert (code, out) == (1, "")
    assert left_running(up.data) == []
    sentences = [line for line in err.splitlines() if not line.endswith("...")]
    assert len(sentences) == 1, err
    return sentences[0]


def test_a_taken_port_is_one_sentence(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} on 127.0.0.1 is taken" in refusal(Up(data, ONEGRID_PORT=port))


def test_a_folder_in_use_is_one_sentence(data: Path) -> None:
    with running_up(data) as first:
        second = Up(data)
        code, out, err = second.ended(seconds=5)
        assert status_of(first.address) == 200
    assert (code, out) == (1, "")
    assert "is used by another onegrid" in err
    assert err.count("\n") == 1


def test_lost_keys_are_one_sentence_and_not_drawn_anew(data: Path) -> None:
    with running_up(data):
        pass
    (data / "keys.json").unlink()
    assert "keys.json cannot be read" in refusal(Up(data))
    assert not (data / "keys.json").exists()


async def test_a_newer_database_is_one_sentence(data: Path) -> None:
    with running_up(data, TINY_PREPARE="yes"):
        database = await asyncpg.connect(connection(data)["ONEGRID_DATABASE_URL"])
        await database.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
        await database.close()
    assert "newer program" in refusal(Up(data, TINY_PREPARE="yes"))


def test_an_unreachable_object_store_is_one_sentence(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nowhere = listener.getsockname()[1]
    keys = {"ONEGRID_S3_ACCESS_KEY": "somebody", "ONEGRID_S3_SECRET_KEY": "something"}
    sentence = refusal(Up(data, ONEGRID_S3_ENDPOINT=f"http://127.0.0.1:{nowhere}", TINY_PREPARE="yes", **keys))
    assert "cannot be reached: check ONEGRID_S3_ENDPOINT" in sentence


def test_external_services_are_used_and_not_started(
    data: Path, embedded: dict[str, str], environ: dict[str, str]
) -> None:
    with running_up(data, TINY_PREPARE="yes", **environ) as up:
        assert set(up.tree()) == {"server", "jobs"}
        assert status_of(up.address) == 200
    keyless = {name: value for name, value in environ.items() if name != "ONEGRID_MASTER_KEY"}
    assert "ONEGRID_MASTER_KEY is not set" in refusal(Up(data, **keyless))
    refused = environ | {"ONEGRID_S3_SECRET_KEY": "wrong" * 8}
    assert "refuses the keys" in refusal(Up(data, TINY_PREPARE="yes", **refused))
