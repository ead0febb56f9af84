"""The object store: any S3 service, through the `minio` client.

The client is synchronous, so every call that goes over the wire runs in a small pool of threads of its own: a slow
store holds up photos, not the rest of the process. Presigned addresses are computed here without asking the store; they
are signed for the endpoint that phones use, since the host is part of the signature (AWS Signature Version 4).
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error
from urllib3.response import BaseHTTPResponse

from server.settings import Settings

T = TypeVar("T")

_THREADS = 8
_CHUNK = 64 * 1024
_MISSING = {"NoSuchKey", "NoSuchObject", "NotFound"}


class StoreUnavailable(Exception):
    """The store did not answer, or refused; trying again later may help."""


class ObjectMissing(Exception):
    """There is no object under this key."""


class ObjectTooLarge(Exception):
    """The object holds more bytes than the reader is ready to take."""


class StoredObject(NamedTuple):
    """An object as a listing shows it; `size` in bytes, `modified` in UTC, `etag` what the store calls its content."""

    key: str
    size: int
    modified: datetime
    etag: str = ""


class ObjectStore:
    """One bucket. `inner` talks to the store; `outer` only signs addresses, for those outside."""

    def __init__(self, inner: Minio, outer: Minio, bucket: str) -> None:
        self._inner = inner
        self._outer = outer
        self._bucket = bucket
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")

    @classmethod
    def from_settings(cls, settings: Settings) -> ObjectStore:
        """The store that the settings name; nothing is sent yet. Raises ValueError for an endpoint with a path."""
        inner = _client(settings.s3_endpoint, settings)
        outer = _client(settings.phones_s3_endpoint, settings)
        return cls(inner, outer, settings.s3_bucket)

    async def ensure_bucket(self) -> None:
        """Make the bucket if it is not there."""
        await self._run(self._ensure_bucket)

    async def health(self) -> None:
        """Return if the store answers and the bucket is there; raises StoreUnavailable."""
        if not await self._run(partial(self._inner.bucket_exists, self._bucket)):
            raise StoreUnavailable("NoSuchBucket")

    def presign_put(self, key: str, expires: timedelta) -> str:
        """An address to which the bytes of `key` can be PUT, without further headers, until it expires."""
        return self._outer.presigned_put_object(bucket_name=self._bucket, object_name=key, expires=expires)

    def presign_get(self, key: str, expires: timedelta, media_type: str) -> str:
        """An address from which `key` can be read until it expires, as `media_type` and out of shared caches."""
        headers = {"response-content-type": media_type, "response-cache-control": "private, no-store"}
        return self._outer.presigned_get_object(
            bucket_name=self._bucket,
            object_name=key,
            expires=expires,
            response_headers=headers,  # pyright: ignore[reportArgumentType] a dict of texts is what it takes
        )

    async def stat(self, key: str) -> int:
        """The size of an object in bytes; raises ObjectMissing."""
        found = await self._run(partial(self._inner.stat_object, bucket_name=self._bucket, object_name=key))
        return found.size or 0

    async def read(self, key: str, max_bytes: int) -> bytes:
        """The bytes of an object; raises ObjectMissing, or ObjectTooLarge without taking more than `max_bytes`."""
        return await self._run(partial(self._read, key, max_bytes))

    async def write(self, key: str, data: bytes, media_type: str) -> None:
        """Write an object whole, over what is there."""
        await self._run(
            partial(
                self._inner.put_object,
                bucket_name=self._bucket,
                object_name=key,
                data=io.BytesIO(data),
                length=len(data),
                content_type=media_type,
            )
        )

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        try:
            await self._run(partial(self._inner.remove_object, bucket_name=self._bucket, object_name=key))
        except ObjectMissing:
            return

    async def older_than(self, prefix: str, moment: datetime, limit: int) -> list[StoredObject]:
        """At most `limit` objects whose key begins with `prefix` and that were last written before `moment`."""
        return await self._run(partial(self._older_than, prefix, moment, limit))

    async def each(self, take: Callable[[StoredObject], None]) -> None:
        """Hand every object to `take`, which is called in another thread, one after the other."""
        await self._run(partial(self._each, take))

    def close(self) -> None:
        """Let go of the threads; calls that wait for one are given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ensure_bucket(self) -> None:
        if self._inner.bucket_exists(self._bucket):
            return
        try:
            self._inner.make_bucket(self._bucket)
        except MinioException:
            # Another process may have made it meanwhile, and stores differ in how they say so.
            if not self._inner.bucket_exists(self._bucket):
                raise

    def _read(self, key: str, max_bytes: int) -> bytes:
        response = self._get(key)
        try:
            taken = bytearray()
            for chunk in response.stream(_CHUNK):
                taken += chunk
                if len(taken) > max_bytes:
                    raise ObjectTooLarge(key)
            return bytes(taken)
        finally:
            response.close()
            response.release_conn()

    def _get(self, key: str) -> BaseHTTPResponse:
        try:
            return self._inner.get_object(bucket_name=self._bucket, object_name=key)
        except InvalidResponseError:
            # The client reads no error that is called text/xml, as rclone does; to HEAD it knows the answer.
            self._inner.stat_object(bucket_name=self._bucket, object_name=key)
            raise

    def _older_than(self, prefix: str, moment: datetime, limit: int) -> list[StoredObject]:
        found: list[StoredObject] = []
        for entry in self._inner.list_objects(bucket_name=self._bucket, prefix=prefix, recursive=True):
            if entry.object_name and entry.last_modified and entry.last_modified < moment:
                found.append(StoredObject(entry.object_name, entry.size or 0, entry.last_modified))
                if len(found) == limit:
                    break
        return found

    def _each(self, take: Callable[[StoredObject], None]) -> None:
        for entry in self._inner.list_objects(bucket_name=self._bucket, recursive=True):
            if entry.object_name and entry.last_modified:
                take(StoredObject(entry.object_name, entry.size or 0, entry.last_modified, entry.etag or ""))

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except S3Error as error:
            if error.code in _MISSING:
                raise ObjectMissing(error.object_name) from None
            raise StoreUnavailable(error.code) from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error


def _client(endpoint: str, settings: Settings) -> Minio:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
        raise ValueError(f"an S3 endpoint is http(s)://host[:port] without a path, not {endpoint!r}")
    return Minio(
        endpoint=parts.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        secure=parts.scheme == "https",
        # Given, so that signing never has to ask the store where the bucket lies.
        region=settings.s3_region,
        http_client=_connections(),
    )


def _connections() -> urllib3.PoolManager:
    # A lost connection is tried again at once; what takes longer is the caller's to repeat.
    retries = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))
    return urllib3.PoolManager(maxsize=_THREADS, timeout=urllib3.Timeout(connect=5, read=30), retries=retries)
