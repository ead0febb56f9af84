"""`python -m server.prepare`: brings database and bucket to what this program needs, before any of it serves.

A process of its own, because what it imports would stay in the supervisor's memory for ever. Says on stdout in
one sentence what is wrong, and then exits 1.
"""

import asyncio
import os
import secrets
import sys

import asyncpg
import minio
import urllib3
from minio.error import MinioException, S3Error

from server.db import installation, migrate
from server.sealing import Keyring
from server.settings import Settings, SettingsError

_SECONDS = 5
_CREDENTIALS_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


class PrepareError(Exception):
    """The text is one sentence in both languages."""


def prepare(settings: Settings) -> None:
    """Migrate the database and make sure of the bucket. Raises PrepareError."""
    asyncio.run(_reach_database(settings.database_url))
    try:
        migrate.upgrade(settings.database_url)
    except migrate.DatabaseNewer as error:
        raise PrepareError(str(error)) from error
    asyncio.run(_claim(settings))
    _reach_bucket(settings)


async def _reach_database(url: str) -> None:
    try:
        connection = await asyncpg.connect(url, timeout=_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise PrepareError(
            f"无法连接数据库（{type(error).__name__}），请检查 ONEGRID_DATABASE_URL / "
            f"the database cannot be reached ({type(error).__name__}): check ONEGRID_DATABASE_URL"
        ) from error
    await connection.close()


async def _claim(settings: Settings) -> None:
    """A wrong master key is told here, once, and not by every server process in turn."""
    connection = await asyncpg.connect(settings.database_url, timeout=_SECONDS)
    try:
        async with connection.transaction():
            check = Keyring(settings.master_key).check_value()
            ours = await installation.claim(connection, check, secrets.token_urlsafe(9))
    finally:
        await connection.close()
    if not ours:
        raise PrepareError(
            "ONEGRID_MASTER_KEY 与此数据库不符，请换回原来的主密钥 / "
            "ONEGRID_MASTER_KEY is not the one of this database: set the key it was first used with"
        )


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
        prepare(Settings.from_env(os.environ))
    except (PrepareError, SettingsError) as error:
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
