"""The bytes of an exchange: a header and separately framed change sets, in JSON lines or MessagePack.

JSON form: the first line is the header, each further line one change set, and every line of a set ends in a
newline, so that a body cut anywhere is never taken for one with a shorter set. MessagePack form: one map with
the sets as binaries. A set is encoded once and its bytes are opaque here; `decode_set` reads them. An answer in
MessagePack spells ids, `Bits64` and some values of forms in bytes, see `sync.packing`; decoded it is as in JSON.

Reading never raises anything but `Unreadable`, whatever the bytes are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from struct import Struct
from sys import float_info
from typing import Any, Literal, NoReturn, TypeVar
from uuid import UUID

import msgspec

from schemas.wire import (
    GRID_CODE,
    TOKEN,
    TYPE_CODE,
    Change,
    ChangeSet,
    Entry,
    ExchangeAnswer,
    ExchangeRequest,
    PackedExchangeRequest,
)
from sync.feed import to_hex, unsigned64
from sync.packing import read_bits, to_bytes, to_text, unpacked

Form = Literal["json", "msgpack"]
Decoded = TypeVar("Decoded")

MAX_DEPTH = 32
_BOUNDS: dict[type, tuple[float, float]] = {
    int: (-(2**63 - 1), 2**63 - 1),
    float: (-float_info.max, float_info.max),
}
"""What a database and its JSON can hold; no number that is none, and no infinity, lies within."""

_STREAM_KEY = re.compile(r"[\x21-\x7e]{1,80}")
_REMEMBERED = 4096
_is_type_code, _is_grid_code, _is_token = (
    lru_cache(_REMEMBERED)(re.compile(pattern).search) for pattern in (TYPE_CODE, GRID_CODE, TOKEN)
)
_WHERE = re.compile(r" - at (?:`key` in )?`(\$[^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_ENCODERS = {"json": msgspec.json.Encoder(), "msgpack": msgspec.msgpack.Encoder()}


class _Named(msgspec.Struct):
    """What a change that cannot be read may still say: its item."""

    item: UUID


_DECODERS: dict[tuple[str, type], Any] = {
    (form, kind): decoder(kind, dec_hook=read_bits)
    for form, decoder in (("json", msgspec.json.Decoder), ("msgpack", msgspec.msgpack.Decoder))
    for kind in (Change, _Named, ChangeSet, ExchangeAnswer, ExchangeRequest, PackedExchangeRequest)
}
_ANSWERS = {
    "json": msgspec.json.Encoder(enc_hook=to_text),
    "msgpack": msgspec.msgpack.Encoder(enc_hook=to_bytes, uuid_format="bytes"),
}
_BITS: dict[Form, Callable[[int], Any]] = {"json": lambda bits: to_hex(unsigned64(bits)), "msgpack": Struct(">q").pack}


class Unreadable(Exception):
    """Bytes that are not what they should be: a stable code, and the member that is wrong or missing, if known.

    A member is told as a path of names (`$.clock.mono`). Neither ever repeats a value of the input.
    """

    def __init__(self, code: str, where: str | None = None) -> None:
        super().__init__(code if where is None else f"{code} at {where}")
        self.code = code
        self.where = where


def encode_request(request: ExchangeRequest, sets: list[bytes], form: Form) -> bytes:
    """The body of an exchange. MessagePack sets do not fit into JSON lines: ValueError."""
    if form == "msgpack":
        packed = PackedExchangeRequest(**_header_fields(request), sets=sets)
        return _ENCODERS["msgpack"].encode(packed)
    if any(set_form(raw) != "json" or b"\n" in raw for raw in sets):
        raise ValueError("only change sets in JSON without a newline travel in JSON lines")
    return b"".join(line + b"\n" for line in [_ENCODERS["json"].encode(request), *sets])


def decode_request(body: bytes, form: Form) -> tuple[ExchangeRequest, list[bytes]]:
    """The header and the untouched bytes of each set; Unreadable `request_…` for a bad frame or header."""
    if form == "msgpack":
        packed = _decode(body, form, PackedExchangeRequest, "request")
        request, sets = ExchangeRequest(**_header_fields(packed)), packed.sets
    else:
        header, *sets = body.split(b"\n")
        if sets and sets.pop():
            raise Unreadable("request_truncated")
        request = _decode(header, form, ExchangeRequest, "request")
    if not all(sets):
        raise Unreadable("request_malformed")
    if sets and request.first < 1:
        raise Unreadable("request_malformed", "$.first")
    _check_time(request.clock.wall, "request", "$.clock.wall")
    if not all(_STREAM_KEY.fullmatch(key) for key in request.cursors):
        raise Unreadable("request_malformed", "$.cursors")
    if not all(_STREAM_KEY.fullmatch(key) for key in request.repairs):
        raise Unreadable("request_malformed", "$.repairs")
    return request, sets


def encode_answer(answer: ExchangeAnswer, form: Form) -> bytes:
    """The body of an answer in the form that the device asked for; entries may be there as `encode_entry` made them."""
    return _ANSWERS[form].encode(answer)


def encode_entry(entry: Entry, form: Form) -> msgspec.Raw:
    """One entry as it is put into an answer of that form; for MessagePack its item's fields are `packed`."""
    return msgspec.Raw(_ANSWERS[form].encode(entry))


def spelled_bits(bits: int, form: Form) -> Any:
    """A database bigint as an answer of that form spells `Bits64`: no encoder need be asked to."""
    return _BITS[form](bits)


def decode_answer(body: bytes, form: Form) -> ExchangeAnswer:
    """The answer in these bytes; Unreadable `answer_…` where they were cut or changed on the way."""
    answer = _decode(body, form, ExchangeAnswer, "answer")
    if form == "msgpack":
        repaired = (entry for page in answer.streams if page.repaired for entry in page.repaired.entries)
        for entry in chain(repaired, *(page.entries for page in answer.streams)):
            if entry.item is not None:
                entry.item.fields.update(unpacked(entry.item.fields))
    return answer


def set_form(raw: bytes) -> Form:
    """The form a change set's own bytes are in: JSON begins with a brace, which no MessagePack map does."""
    return "json" if raw[:1] == b"{" else "msgpack"


def encode_set(change_set: ChangeSet, form: Form) -> bytes:
    """The bytes of a change set, made once; `changes` were encoded by `encode_change` in the same form."""
    return _ENCODERS[form].encode(change_set)


def encode_change(change: Change, form: Form) -> msgspec.Raw:
    """One change as it is put into a set of that form."""
    return msgspec.Raw(_ENCODERS[form].encode(change))


def decode_set(raw: bytes) -> ChangeSet:
    """The set in these bytes with its changes still opaque; Unreadable `set_…`."""
    change_set = _decode(raw, set_form(raw), ChangeSet, "set")
    if bool(change_set.changes) == bool(change_set.void):
        raise Unreadable("set_malformed", "$.changes")
    return change_set


def decode_change(raw: msgspec.Raw, form: Form) -> Change:
    """One change of a set of that form; Unreadable `change_…`.

    What comes back can be stored as JSON: text without NUL, finite numbers within 64 bits, string keys, at
    most `MAX_DEPTH` levels.
    """
    change = _decode(raw, form, Change, "change")
    _check_time(change.capture.wall, "change", "$.capture.wall")
    position = change.capture.position
    if position is not None and position.fixed_at is not None:
        _check_time(position.fixed_at, "change", "$.capture.position.fixed_at")
    _check_spelling(change)
    _check_map(change.fields, MAX_DEPTH)
    return change


def item_named(raw: msgspec.Raw, form: Form) -> UUID | None:
    """The item that a change names which cannot be read otherwise, if as much can be read."""
    try:
        return _decode(raw, form, _Named, "change").item
    except Unreadable:
        return None


def set_hash(raw: bytes) -> str:
    """The hash by which a receipt names a set: SHA-256 over its bytes, 64 hexadecimal digits."""
    return sha256(raw).hexdigest()


def _header_fields(request: ExchangeRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in ExchangeRequest.__struct_fields__}


def _decode(raw: bytes | msgspec.Raw, form: Form, kind: type[Decoded], what: str) -> Decoded:
    try:
        return _DECODERS[form, kind].decode(raw)
    except RecursionError:
        raise Unreadable(f"{what}_too_deep") from None
    except UnicodeError:
        raise Unreadable(f"{what}_text_invalid") from None
    except msgspec.ValidationError as error:
        raise Unreadable(f"{what}_malformed", _place_in(str(error))) from None
    except msgspec.DecodeError as error:
        # msgspec has no class of its own for a lone surrogate written as an escape, and two ways to put it.
        wrong = "text_invalid" if any(word in str(error) for word in ("surrogate", "hex escape")) else "malformed"
        raise Unreadable(f"{what}_{wrong}") from None
    except (ValueError, OverflowError, MemoryError):
        raise Unreadable(f"{what}_malformed") from None


def _place_in(message: str) -> str | None:
    """The member that msgspec complains of. Nothing else is taken from what it says, for that quotes values."""
    where, missing = _WHERE.search(message), _MISSING.match(message)
    if missing is not None:
        return f"{where.group(1) if where else '$'}.{missing.group(1)}"
    return where.group(1) if where else None


def _check_time(time: datetime, what: str, where: str) -> None:
    """A time without offset means nothing, and one at the edge of the calendar cannot be brought to UTC."""
    try:
        usable = time.tzinfo is not None and bool(time.astimezone(UTC))
    except OverflowError:
        usable = False
    if not usable:
        raise Unreadable(f"{what}_malformed", where)


def _check_spelling(change: Change) -> None:
    """Patterns by which msgspec would look at each code and token anew: a fifth of all decoding."""
    capture = change.capture
    if not _is_type_code(change.type):
        raise Unreadable("change_malformed", "$.type")
    if change.grid is not None and not _is_grid_code(change.grid):
        raise Unreadable("change_malformed", "$.grid")
    if not _is_token(capture.boot):
        raise Unreadable("change_malformed", "$.capture.boot")
    if capture.position is not None and not _is_token(capture.position.provider):
        raise Unreadable("change_malformed", "$.capture.position.provider")


def _check_map(values: dict[Any, Any], levels: int) -> None:
    """String keys, looked at all at once, and values as `_check_values` takes them."""
    try:
        keys = "".join(values)
    except TypeError:
        _refuse("malformed")
    if "\0" in keys:
        _refuse("text_invalid")
    _check_values(values.values(), levels)


def _check_values(values: Iterable[Any], levels: int) -> None:
    """Text without NUL, finite numbers within 64 bits, at most so many levels."""
    if not levels:
        _refuse("too_deep")
    for value in values:
        kind = type(value)
        if kind is str:
            if "\0" in value:
                _refuse("text_invalid")
        elif kind in _BOUNDS:
            least, most = _BOUNDS[kind]
            if not least <= value <= most:
                _refuse("number_invalid")
        elif kind is dict:
            _check_map(value, levels - 1)
        elif kind is list:
            _check_values(value, levels - 1)
        elif value is not None and kind is not bool:
            _refuse("malformed")


def _refuse(wrong: str) -> NoReturn:
    raise Unreadable(f"change_{wrong}", "$.fields")
