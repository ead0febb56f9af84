"""The doctor looks at the object store: that it writes, reads and removes, its clock, the address that phones use."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import httpx

from server.services import Services
from server.storage.objects import ObjectMissing, StoreUnavailable
from server.usecases.doctor_database import judge_clock
from server.usecases.doctor_findings import Finding, fault, ok, warning

_PREFIX = "doctor/"
_BYTES = b"onegrid"
_MEDIA_TYPE = "application/octet-stream"
_ALWAYS = datetime.max.replace(tzinfo=UTC)
_SECONDS = 10.0
_BAD_KEYS = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


async def check_store(services: Services) -> Finding:
    """Whether an object comes back as it was written, goes when it is removed, and bears the time of today."""
    key, began = f"{_PREFIX}{secrets.token_hex(8)}", datetime.now(UTC)
    try:
        await services.objects.health()
        await services.objects.write(key, _BYTES, _MEDIA_TYPE)
        came_back = await services.objects.read(key, 1024) == _BYTES
        stored = await services.objects.older_than(key, _ALWAYS, 1)
        await services.objects.delete(key)
        gone = not await services.objects.older_than(key, _ALWAYS, 1)
    except StoreUnavailable as error:
        return judge_refusal(str(error))
    except ObjectMissing:
        return _broken("读写不一致 not what was written")
    if not (came_back and stored and gone):
        return _broken("读写不一致 not what was written")
    # Stores tell whole seconds.
    return _timed((began - stored[0].modified).total_seconds())


def _broken(how: str) -> Finding:
    return fault(
        "object_store",
        f"对象存储不能正常读写({how})",
        f"The object store does not write, read and remove as it should ({how})",
        "检查 ONEGRID_S3_* 设置、存储桶权限和服务状态",
        "Check ONEGRID_S3_*, the rights on the bucket, and the service",
    )


def judge_refusal(said: str) -> Finding:
    """From what `StoreUnavailable` says: the store's own code, or the kind of failure where it did not answer."""
    if said in _BAD_KEYS:
        do = (
            "检查 ONEGRID_S3_ACCESS_KEY、ONEGRID_S3_SECRET_KEY 及其对存储桶的权限",
            "Check ONEGRID_S3_ACCESS_KEY and ONEGRID_S3_SECRET_KEY, and their rights on the bucket",
        )
        return fault("object_store", f"对象存储拒绝了密钥({said})", f"The object store refuses the keys ({said})", *do)
    if said == "NoSuchBucket":
        do = (
            "检查 ONEGRID_S3_BUCKET;若存储桶丢失,先从其副本恢复照片,再重启服务器(启动时新建空桶)",
            "Check ONEGRID_S3_BUCKET; if the bucket is lost, bring its copy back before a server starts and makes an "
            "empty one",
        )
        return fault("object_store", "存储桶不存在", "The bucket does not exist", *do)
    do = (
        "确认对象存储在运行,ONEGRID_S3_ENDPOINT 的地址和端口正确;其间照片留在手机上",
        "See that the object store runs and ONEGRID_S3_ENDPOINT names it; photos stay on the phones meanwhile",
    )
    return fault("object_store", f"对象存储未应答({said})", f"The object store does not answer ({said})", *do)


def _timed(skew: float) -> Finding:
    found = judge_clock("object_store", skew if abs(skew) > 1 else 0.0, "对象存储", "the object store")
    if found.state != "ok":
        return found
    return ok("object_store", "读写删除正常", "It writes, reads and removes")


async def check_public(services: Services) -> Finding:
    """Whether a photo can be read by the address that phones are given, seen from this machine."""
    key, endpoint = f"{_PREFIX}{secrets.token_hex(8)}", services.settings.phones_s3_endpoint
    try:
        await services.objects.write(key, _BYTES, _MEDIA_TYPE)
        reached = await _reach(services.objects.presign_get(key, timedelta(minutes=1), _MEDIA_TYPE))
        await services.objects.delete(key)
    except StoreUnavailable:
        reached = "StoreUnavailable"
    if reached is None:
        return ok("public_endpoint", f"{endpoint} 可读", f"{endpoint} answers", endpoint=endpoint)
    return warning(
        "public_endpoint",
        f"从本机不能经 {endpoint} 读取照片({reached})",
        f"From this machine no photo can be read at {endpoint} ({reached})",
        "从手机网络试读;如不通,改正 ONEGRID_S3_PUBLIC_ENDPOINT 或其代理",
        "Try it from the phones' network; if it fails there, correct ONEGRID_S3_PUBLIC_ENDPOINT or its proxy",
        endpoint=endpoint,
    )


async def _reach(url: str) -> str | None:
    """Why the object could not be read; None if it could."""
    try:
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            answer = await client.get(url)
    except httpx.HTTPError as error:
        return type(error).__name__
    return None if answer.content == _BYTES else str(answer.status_code)


STORE = {"object_store": check_store, "public_endpoint": check_public}
