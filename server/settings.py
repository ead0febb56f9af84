"""Settings: `ONEGRID_*` environment variables, each declared once with its default, unit and meaning."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

PREFIX = "ONEGRID_"
# Without these no server runs; `onegrid up` finds them itself for what it embeds.
REQUIRED = ("database_url", "s3_endpoint", "s3_access_key", "s3_secret_key", "master_key")
_UNITS_ZH = {"seconds": "秒", "minutes": "分钟", "hours": "小时", "days": "天", "bytes": "字节", "": ""}
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^:/@]*):[^@/]*@")


class SettingsError(Exception):
    """A setting is missing or cannot be read; the text names the variable and says what to write."""


def _about(zh: str, en: str, example: str, *, unit: str = "", secret: bool = False, **bounds: Any) -> Meta:
    extra = {"zh": zh, "example": example, "unit": unit, "secret": secret}
    return Meta(description=en, extra=extra, **bounds)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that may differ between two installations; read once, at start."""

    database_url: Annotated[
        str,
        _about(
            "PostgreSQL 15 及以上的连接地址",
            "Address of a PostgreSQL database, version 15 or later",
            "postgresql://onegrid:password@db.example:5432/onegrid",
        ),
    ] = ""
    s3_endpoint: Annotated[
        str,
        _about("S3 服务地址（服务器访问）", "Address of the S3 service for the server", "https://s3.example"),
    ] = ""
    s3_public_endpoint: Annotated[
        str,
        _about(
            "手机访问 S3 的地址；空则与 S3_ENDPOINT 相同",
            "Address of the S3 service for phones; empty: as S3_ENDPOINT",
            "https://photos.example",
        ),
    ] = ""
    s3_access_key: Annotated[str, _about("S3 访问标识", "S3 access key", "AKIAEXAMPLE", secret=True)] = ""
    s3_secret_key: Annotated[str, _about("S3 访问密钥", "S3 secret key", "(40 characters)", secret=True)] = ""
    s3_bucket: Annotated[
        str,
        _about("存放照片的存储桶", "Bucket that holds the photos", "onegrid", min_length=3, max_length=63),
    ] = "onegrid"
    s3_region: Annotated[str, _about("S3 区域", "S3 region", "us-east-1", min_length=1)] = "us-east-1"
    master_key: Annotated[
        bytes,
        _about(
            "主密钥：32 字节的 Base64，封存一切密钥之根",
            "Master key that wraps the secret behind all keys: base64 of 32 bytes",
            "(output of: openssl rand -base64 32)",
            secret=True,
            min_length=32,
            max_length=32,
        ),
    ] = b""
    master_key_next: Annotated[
        bytes,
        _about(
            "更换中的新主密钥：32 字节的 Base64；更换完成后改写到 MASTER_KEY",
            "The new master key during a rotation, base64 of 32 bytes; it then becomes MASTER_KEY",
            "(output of: openssl rand -base64 32)",
            secret=True,
            min_length=32,
            max_length=32,
        ),
    ] = b""
    host: Annotated[str, _about("监听地址", "Address to listen on", "127.0.0.1", min_length=1)] = "127.0.0.1"
    port: Annotated[
        int,
        _about("监听端口；0 为任一空闲端口", "Port to listen on; 0: any free one", "8000", ge=0, le=65535),
    ] = 8000
    tls_cert: Annotated[str, _about("TLS 证书文件（PEM）", "TLS certificate file (PEM)", "/etc/onegrid/cert.pem")] = ""
    tls_key: Annotated[str, _about("TLS 私钥文件（PEM）", "TLS key file (PEM)", "/etc/onegrid/key.pem")] = ""
    data: Annotated[
        str,
        _about(
            "数据文件夹：自带的数据库与对象存储",
            "Data folder of the embedded database and object store",
            "/srv/onegrid",
            min_length=1,
        ),
    ] = "onegrid-data"
    workers: Annotated[int, _about("服务器进程数", "Number of server processes", "2", ge=1, le=64)] = 1
    db_pool_size: Annotated[
        int, _about("每个进程的数据库连接数上限", "Database connections per process", "10", ge=2, le=100)
    ] = 10
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _about("日志级别", "Log level", "info")] = "info"
    log_format: Annotated[Literal["json", "console"], _about("日志格式", "Log format", "json")] = "json"
    access_token_minutes: Annotated[
        int, _about("访问令牌有效期", "Life of an access token", "15", unit="minutes", ge=1, le=1440)
    ] = 15
    refresh_token_days: Annotated[
        int, _about("刷新令牌有效期", "Life of a refresh token", "30", unit="days", ge=1, le=365)
    ] = 30
    enrol_code_hours: Annotated[
        int, _about("注册码有效期", "Life of an enrolment code", "72", unit="hours", ge=1, le=720)
    ] = 72
    login_failures: Annotated[
        int, _about("连续登录失败多少次后锁定", "Failed sign-ins before a lock", "5", ge=1, le=100)
    ] = 5
    login_lock_minutes: Annotated[
        int, _about("锁定时长", "Length of a sign-in lock", "30", unit="minutes", ge=1, le=1440)
    ] = 30
    console_idle_minutes: Annotated[
        int,
        _about(
            "控制台闲置多久后退出",
            "Idle time that ends a console session",
            "30",
            unit="minutes",
            ge=1,
            le=1440,
        ),
    ] = 30
    offline_lease_days: Annotated[
        int,
        _about(
            "离线采集的有效期，逾期进入隔离区",
            "How long an offline capture is accepted; later ones go to quarantine",
            "30",
            unit="days",
            ge=1,
            le=365,
        ),
    ] = 30
    absence_days: Annotated[
        int,
        _about(
            "记录移出后,同步流保留其去向的天数,无人收起的放行通知亦到期自行结束;须长于离线有效期",
            "How long a stream remembers what has left it, and a release is told; longer than the offline lease",
            "45",
            unit="days",
            ge=2,
            le=3650,
        ),
    ] = 45
    event_streams: Annotated[
        int,
        _about("每个进程同时打开的事件流上限", "Event streams open at once in a process", "2000", ge=0, le=100_000),
    ] = 2000
    event_heartbeat_seconds: Annotated[
        int,
        _about(
            "事件流的心跳间隔", "How often an idle event stream says that it lives", "20", unit="seconds", ge=1, le=300
        ),
    ] = 20
    max_set_bytes: Annotated[
        int, _about("一个变更集的上限", "Largest change set", "262144", unit="bytes", ge=16_384, le=8_388_608)
    ] = 262_144
    max_body_bytes: Annotated[
        int,
        _about("一个请求体的上限", "Largest request body", "4194304", unit="bytes", ge=65_536, le=67_108_864),
    ] = 4_194_304
    pull_page_bytes: Annotated[
        int,
        _about("一页下行数据的大小", "Size of one page pulled", "524288", unit="bytes", ge=4096, le=16_777_216),
    ] = 524_288
    upload_url_minutes: Annotated[
        int, _about("上传地址有效期", "Life of an upload address", "30", unit="minutes", ge=1, le=1440)
    ] = 30
    upload_resume_hours: Annotated[
        int,
        _about(
            "未传完的照片可续传多久(自最近一次收到内容起)",
            "How long an unfinished upload may be resumed, from when something of it last came",
            "168",
            unit="hours",
            ge=1,
            le=720,
        ),
    ] = 168
    witness_seconds: Annotated[
        int,
        _about(
            "多久把数据库的进度记入对象存储一次",
            "How often the object store is told how far the database has come",
            "5",
            unit="seconds",
            ge=1,
            le=300,
        ),
    ] = 5
    read_url_minutes: Annotated[
        int, _about("照片读取地址有效期", "Life of a photo's read address", "5", unit="minutes", ge=1, le=60)
    ] = 5

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, required: Iterable[str] = REQUIRED) -> Self:
        """Read `ONEGRID_*` variables; an empty one counts as not set.

        Raises:
            SettingsError: naming the first variable that is not valid, or `required` and missing.
        """
        given = {name: read(name, environ) for name in FIELDS if environ.get(variable(name))}
        for name in required:
            if name not in given:
                raise SettingsError(_missing(name))
        settings = cls(**given)
        if settings.absence_days <= settings.offline_lease_days:
            raise SettingsError(_too_short())
        return settings

    @property
    def phones_s3_endpoint(self) -> str:
        """Address at which a phone reaches the object store."""
        return self.s3_public_endpoint or self.s3_endpoint

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={masked(name, getattr(self, name))!r}" for name in FIELDS)
        return f"Settings({shown})"

    def __rich_repr__(self) -> Any:
        return ((name, masked(name, getattr(self, name))) for name in FIELDS)


FIELDS: dict[str, Any] = get_type_hints(Settings, include_extras=True)
DEFAULTS = Settings()


class Described(msgspec.Struct, frozen=True):
    """One line of `onegrid settings`; `problem` is the sentence for a value that cannot be read."""

    name: str
    value: str
    default: str
    unit: str
    zh: str
    en: str
    problem: str | None = None


def variable(name: str) -> str:
    """Name of the environment variable that holds a setting."""
    return PREFIX + name.upper()


def read(name: str, environ: Mapping[str, str]) -> Any:
    """Value of one setting in `environ`, else its default. Raises SettingsError."""
    text = environ.get(variable(name), "")
    if not text:
        return getattr(DEFAULTS, name)
    try:
        return msgspec.convert(text, FIELDS[name], strict=False)
    except msgspec.ValidationError:
        raise SettingsError(_invalid(name)) from None


def masked(name: str, value: Any) -> str:
    """A value as it may be shown: secrets as ***, passwords inside addresses too."""
    if _meta(name).extra["secret"]:
        return "***" if value else ""
    return _PASSWORD_IN_URL.sub(r"\1:***@", str(value))


def describe(environ: Mapping[str, str]) -> list[Described]:
    """Every setting in order of declaration, a faulty value beside the sentence that explains it."""
    return [_described(name, environ) for name in FIELDS]


def _described(name: str, environ: Mapping[str, str]) -> Described:
    meta = _meta(name)
    try:
        value, problem = masked(name, read(name, environ)), None
    except SettingsError as error:
        value, problem = masked(name, environ[variable(name)]), str(error)
    return Described(
        name=variable(name),
        value=value,
        default=masked(name, getattr(DEFAULTS, name)),
        unit=meta.extra["unit"],
        zh=meta.extra["zh"],
        en=meta.description or "",
        problem=problem,
    )


def _meta(name: str) -> Any:
    return get_args(FIELDS[name])[1]


def _missing(name: str) -> str:
    meta = _meta(name)
    return (
        f"缺少设置 {variable(name)}（{meta.extra['zh']}），请写成例如 {meta.extra['example']} / "
        f"{variable(name)} is not set ({meta.description}): write for example {meta.extra['example']}"
    )


def _too_short() -> str:
    absences, lease = variable("absence_days"), variable("offline_lease_days")
    return f"设置 {absences} 须大于 {lease} / {absences} has to be more than {lease}"


def _invalid(name: str) -> str:
    zh, en = _rule(name)
    example = _meta(name).extra["example"]
    return (
        f"设置 {variable(name)} 无效：请写{zh}，例如 {example} / "
        f"{variable(name)} is not valid: write {en}, for example {example}"
    )


def _rule(name: str) -> tuple[str, str]:
    kind, meta = get_args(FIELDS[name])[0], _meta(name)
    unit = meta.extra["unit"]
    if kind is int:
        span = f"{meta.ge}–{meta.le}"
        return f" {span} 的整数 {_UNITS_ZH[unit]}".rstrip(), f"a whole number {span} {unit}".rstrip()
    if kind is bytes:
        return f" {meta.min_length} 字节的 Base64", f"base64 of {meta.min_length} bytes"
    if get_origin(kind) is Literal:
        return " " + " 或 ".join(get_args(kind)), " or ".join(get_args(kind))
    return (
        f"至少 {meta.min_length or 0} 个字符的文字",
        f"text of at least {meta.min_length or 0} characters",
    )
