"""`python -m server.prepare`: brings database and bucket to what this program needs, before any of it serves.

A process of its own, because what it imports would stay in the supervisor's memory for ever. Says on stdout in
one sentence what is wrong, and then exits 1; says there too if the next master key is the one in use, and if the
database turned out to have gone back.
"""

import asyncio
import os
import secrets
import sys
from typing import NamedTuple

import asyncpg
import minio
import urllib3
from minio.error import MinioException, S3Error

from server import logs
from server.db import backups, installation, migrate
from server.db.database import Database
from server.embedded.words import NEW_EPOCH, NEXT_KEY_IN_USE
from server.sealing import Keyring, Unsealable
from server.settings import Settings, SettingsError
from server.storage.objects import ObjectStore, StoreUnavailable
from server.usecases.epochs import Cause
from server.usecases.witness import face_witness

_SECONDS = 5
_CREDENTIALS_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


class PrepareError(Exception):
    """The text is one sentence in both languages."""


class Prepared(NamedTuple):
    """`rotated`: the next master key is the one in use, a rotation came that far and was not finished.

    `epoch`: why another epoch began.
    """

    rotated: bool
    epoch: Cause | None


def prepare(settings: Settings) -> Prepared:
    """Migrate the database, make sure of the bucket, and ask the witness. Raises PrepareError."""
    asyncio.run(_reach_database(settings.database_url))
    try:
        migrate.upgrade(settings.database_url)
    except migrate.DatabaseNewer as error:
        raise PrepareError(str(error)) from error
    root = asyncio.run(_claim(settings))
    _reach_bucket(settings)
    epoch = asyncio.run(_face_witness(settings, Keyring(root.secret)))
    return Prepared(root.master.secret == settings.master_key_next, epoch)


async def _reach_database(url: str) -> None:
    try:
        connection = await asyncpg.connect(url, timeout=_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise PrepareError(
            f"无法连接数据库（{type(error).__name__}），请检查 ONEGRID_DATABASE_URL / "
            f"the database cannot be reached ({type(error).__name__}): check ONEGRID_DATABASE_URL"
        ) from error
    try:
        if await backups.is_unfinished(connection):
            raise PrepareError(
                "此数据库的恢复中途断了，请再次运行 onegrid restore / "
                "the restore into this database was cut off: run onegrid restore again"
            )
    finally:
        await connection.close()


async def _claim(settings: Settings) -> installation.Root:
    """The root secret and the master key in use.

    A wrong master key is told here, once, and not by every server process in turn.
    """
    connection = await asyncpg.connect(settings.database_url, timeout=_SECONDS)
    try:
        async with connection.transaction():
            masters = installation.master_keys(settings)
            root = await installation.claim(connection, masters, secrets.token_urlsafe(9))
    except installation.KeysMissing as error:
        raise PrepareError(
            "此数据库由备份恢复，但其密钥尚未恢复，请先恢复密钥文件 / "
            "this database was restored from a backup without its keys: restore the key file first"
        ) from error
    except Unsealable as error:
        raise PrepareError(
            "数据库中的根密钥已损坏，请从备份恢复 / the root secret in the database is damaged: restore a backup"
        ) from error
    finally:
        await connection.close()
    if root is None:
        raise PrepareError(
            "ONEGRID_MASTER_KEY 与此数据库不符，请换回此数据库所用的主密钥 / "
            "ONEGRID_MASTER_KEY is not the one of this database: set the key that it is used with"
        )
    return root


async def _face_witness(settings: Settings, keyring: Keyring) -> Cause | None:
    database, objects = await Database.connect(settings.database_url, size=1), ObjectStore.from_settings(settings)
    try:
        return await face_witness(database, objects, keyring)
    except StoreUnavailable as error:
        raise PrepareError(
            f"对象存储未应答（{error}），无法确认数据库是否被恢复过，请稍后再启动 / "
            f"the object store does not answer ({error}), so nobody can tell whether the database was restored: "
            "start again when it does"
        ) from error
    finally:
        objects.close()
        await database.close()


def _reach_bucket(settings: Settings) -> None:
    scheme, _, address = settings.s3_endpoint.partition("://")
    try:
        client = minio.Minio(
            address.rstrip("/"),
            settings.s3_access_key,
            settings.s3_secret_key,
            secure=scheme == "https",
            region=settings.s3_region,
            http_client=urllib3.PoolManager(timeout=_SECONDS, retries=False),
        )
        if not client.bucket_exists(settings.s3_bucket):
            client.make_bucket(settings.s3_bucket)
    except S3Error as error:
        raise _bucket_refused(settings, error.code or "") from error
    except (urllib3.exceptions.HTTPError, MinioException, ValueError) as error:
        raise PrepareError(
            f"无法连接对象存储 {settings.s3_endpoint}，请检查 ONEGRID_S3_ENDPOINT / "
            f"the object store {settings.s3_endpoint} cannot be reached: check ONEGRID_S3_ENDPOINT"
        ) from error


def _bucket_refused(settings: Settings, code: str) -> PrepareError:
    if code in _CREDENTIALS_REFUSED:
        return PrepareError(
            "对象存储拒绝了密钥，请检查 ONEGRID_S3_ACCESS_KEY 和 ONEGRID_S3_SECRET_KEY / "
            "the object store refuses the keys: check ONEGRID_S3_ACCESS_KEY and ONEGRID_S3_SECRET_KEY"
        )
    return PrepareError(
        f"无法使用存储桶 {settings.s3_bucket}（{code}），请检查 ONEGRID_S3_BUCKET / "
        f"the bucket {settings.s3_bucket} cannot be used ({code}): check ONEGRID_S3_BUCKET"
    )


def main() -> int:
    """Exit status."""
    try:
        settings = Settings.from_env(os.environ)
        logs.configure(settings.log_level, settings.log_format)
        prepared = prepare(settings)
    except (PrepareError, SettingsError) as error:
        sys.stdout.write(f"{error}\n")
        return 1
    if prepared.rotated:
        sys.stdout.write(f"{NEXT_KEY_IN_USE}\n")
    if prepared.epoch:
        sys.stdout.write(f"{NEW_EPOCH}: {prepared.epoch}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
