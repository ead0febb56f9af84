"""Settings: one declaration each, clear refusals, no secret shown."""

import base64

import pytest

from server.settings import FIELDS, REQUIRED, Settings, SettingsError, describe, read, variable

KEY = bytes(range(32))
COMPLETE = {
    "ONEGRID_DATABASE_URL": "postgresql://onegrid:hunter2@db:5432/onegrid",
    "ONEGRID_S3_ENDPOINT": "https://s3.example",
    "ONEGRID_S3_ACCESS_KEY": "visible-id",
    "ONEGRID_S3_SECRET_KEY": "hush-hush",
    "ONEGRID_MASTER_KEY": base64.b64encode(KEY).decode(),
}
SECRETS = ("hunter2", "visible-id", "hush-hush", COMPLETE["ONEGRID_MASTER_KEY"], repr(KEY))


def test_values_arrive_in_their_types() -> None:
    settings = Settings.from_env(COMPLETE | {"ONEGRID_PORT": "9000", "ONEGRID_LOG_FORMAT": "console"})
    assert (settings.port, settings.log_format, settings.master_key) == (9000, "console", KEY)
    assert settings.host == "127.0.0.1"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_env(COMPLETE | {"ONEGRID_PORT": ""}).port == 8000


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable(name)} is not set .*: write for example"):
        Settings.from_env(COMPLETE | {variable(name): ""})
    assert Settings.from_env(COMPLETE | {variable(name): ""}, required=())


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("PORT", "eighty", "write a whole number 0–65535, for example 8000"),
        ("PORT", "65536", "write a whole number 0–65535, for example 8000"),
        ("WORKERS", "0", "write a whole number 1–64, for example 2"),
        ("ACCESS_TOKEN_MINUTES", "1.5", "write a whole number 1–1440 minutes, for example 15"),
        ("LOG_LEVEL", "loud", "write debug or info or warning or error, for example info"),
        ("MASTER_KEY", "c2hvcnQ=", "write base64 of 32 bytes"),
        ("MASTER_KEY", "no base64!", "write base64 of 32 bytes"),
        ("S3_BUCKET", "x", "write text of at least 3 characters, for example onegrid"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_rule(name: str, value: str, rule: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_env(COMPLETE | {f"ONEGRID_{name}": value})
    assert f"ONEGRID_{name} is not valid: {rule}" in str(refusal.value)
    assert f"设置 ONEGRID_{name} 无效" in str(refusal.value)
    assert value not in str(refusal.value).replace(rule, "")


@pytest.mark.parametrize("name", FIELDS)
def test_every_declared_default_and_example_of_a_number_is_within_its_own_bounds(name: str) -> None:
    default = getattr(Settings(), name)
    if isinstance(default, int):
        assert read(name, {variable(name): str(default)}) == default
        assert isinstance(read(name, {variable(name): FIELDS[name].__metadata__[0].extra["example"]}), int)


def test_no_secret_is_shown() -> None:
    settings = Settings.from_env(COMPLETE)
    shown = repr(settings) + str(settings) + repr(list(settings.__rich_repr__())) + repr(describe(COMPLETE))
    for secret in SECRETS:
        assert secret not in shown
    assert "postgresql://onegrid:***@db:5432/onegrid" in shown


def test_every_setting_is_described_in_both_languages() -> None:
    described = describe({})
    assert [one.name for one in described] == [variable(name) for name in FIELDS]
    for one in described:
        assert one.en.isascii()
        assert any("\u4e00" <= letter <= "\u9fff" for letter in one.zh)


def test_a_faulty_value_is_listed_beside_its_fault() -> None:
    (fault,) = [one for one in describe({"ONEGRID_PORT": "eighty"}) if one.problem]
    assert (fault.name, fault.value, fault.default) == ("ONEGRID_PORT", "eighty", "8000")


def test_phones_use_the_public_endpoint_where_there_is_one() -> None:
    assert Settings.from_env(COMPLETE).phones_s3_endpoint == "https://s3.example"
    public = COMPLETE | {"ONEGRID_S3_PUBLIC_ENDPOINT": "https://photos.example"}
    assert Settings.from_env(public).phones_s3_endpoint == "https://photos.example"
