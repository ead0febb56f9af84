"""Finds every place where a catalogue document does not fit its types, not only the first."""

from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from msgspec import Struct, ValidationError, convert
from msgspec.structs import fields as struct_fields


class CatalogueFault(Struct, frozen=True):
    """One thing wrong with a catalogue, and where: `categories[0].items[2].fields[4].options`."""

    path: str
    zh: str
    en: str


def structural_faults(value: object, kind: Any, path: str = "") -> Iterator[CatalogueFault]:
    """Every fault of shape in `value`, which should be of the annotated type `kind`."""
    origin = get_origin(kind)
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield from _object_faults(value, kind, path)
    elif origin is tuple and get_args(kind)[-1] is Ellipsis and isinstance(value, list):
        for place, member in enumerate(value):
            yield from structural_faults(member, get_args(kind)[0], f"{path}[{place}]")
    elif origin is dict and isinstance(value, dict):
        for key, member in value.items():
            yield from structural_faults(member, get_args(kind)[1], _below(path, key))
    elif origin in (Union, UnionType) and _sole(kind) is not None and value is not None:
        yield from structural_faults(value, _sole(kind), path)
    else:
        yield from _leaf_faults(value, kind, path)


def _object_faults(value: object, kind: type[Struct], path: str) -> Iterator[CatalogueFault]:
    if not isinstance(value, dict):
        yield CatalogueFault(path, "这里应为一个对象", "An object is expected here")
        return
    members = {field.encode_name: field for field in struct_fields(kind)}
    for key in value.keys() - members.keys():
        yield CatalogueFault(_below(path, key), "没有这个属性,请检查拼写", "No such attribute; check its spelling")
    for key, field in members.items():
        if key in value:
            yield from structural_faults(value[key], field.type, _below(path, key))
        elif field.required:
            yield CatalogueFault(_below(path, key), "缺少这个属性", "This attribute is missing")


def _leaf_faults(value: object, kind: Any, path: str) -> Iterator[CatalogueFault]:
    try:
        convert(value, kind, strict=True)
    except ValidationError as error:
        if get_origin(kind) is Literal:
            allowed = ", ".join(map(str, get_args(kind)))
            yield CatalogueFault(path, f"取值应为:{allowed}", f"One of these is expected: {allowed}")
        else:
            yield CatalogueFault(path, f"值的类型不对({error})", f"A value of another type is expected: {error}")


def _sole(kind: Any) -> Any:
    """The one member of an optional type; None for a union of several."""
    members = [member for member in get_args(kind) if member is not type(None)]
    return members[0] if len(members) == 1 else None


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
