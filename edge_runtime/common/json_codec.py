"""Convert frozen dataclasses to JSON and back, checking every JSON type on reading.

It reads manifests of model files, `training.json` and results files. Fields that have a wrong type, are missing or unknown are errors which
name the field. Values may be bool, int, float, str, None, dataclasses, tuples and string-keyed dicts of them.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from edge_runtime.errors import DataError, InputError

T = TypeVar("T")
_MAX_DEPTH = 16


def to_json(record: Any, *, indent: int | None = None) -> str:
    """Write a dataclass as JSON with sorted keys: equal objects give equal text.

    Raises:
        ValueError: a number in it is NaN or infinite.
    """
    separators = (",", ":") if indent is None else None
    return json.dumps(record, default=_content, sort_keys=True, indent=indent, separators=separators, allow_nan=False)


def _content(record: Any) -> dict[str, Any]:
    """The fields of a dataclass. `asdict` would copy their values too, which takes longer than reading a model file."""
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def from_json(kind: type[T], text: str | bytes, version: tuple[str, int] | None = None) -> T:
    """Read a dataclass from JSON text.

    Args:
        kind: the dataclass.
        text: the JSON.
        version: a field and the value that it must have, checked first, since another version may have other fields.

    Raises:
        InputError: it is not valid JSON, or a field is missing, unknown or of the wrong type; the message names it.
    """
    if version:
        return from_versioned_json({version[1]: kind}, version[0], text)
    return typing.cast(T, checked(kind, _parse(text), ""))


def from_versioned_json(kinds: Mapping[int, type[T]], name: str, text: str | bytes) -> T:
    """Read the dataclass of the version that the JSON text states in the field `name`. Errors are those of `from_json`."""
    value, newest = _parse(text), max(kinds)
    found = _expect(int, value.get(name), name) if isinstance(value, dict) else newest
    if found not in kinds:
        advice = "update edge-digits" if found > newest else "an older edge-digits wrote it; create it again"
        known = " and ".join(map(str, sorted(kinds)))
        raise InputError(f"has {name.replace('_', ' ')} {found}, this program reads {known}; {advice}")
    return typing.cast(T, checked(kinds[found], value, ""))


def _parse(text: str | bytes) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not valid JSON ({error})") from error
    _check_plain(value, 0)
    return value


def read_json(kind: type[T], path: Path, version: tuple[str, int] | None = None) -> T:
    """Read a dataclass from a JSON file; `version` as in `from_json`.

    Raises:
        DataError: the file cannot be read, or a field is wrong; the message names both.
    """
    try:
        return from_json(kind, path.read_text(), version)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (InputError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error


def checked(kind: Any, value: Any, where: str) -> Any:
    """Return JSON `value` as `kind`: a dataclass, a built-in type, or a tuple, dict or union of them.

    Raises:
        InputError: it has another type; the message names `where`, the dotted path of the field.
    """
    if dataclasses.is_dataclass(kind):
        return _checked_dataclass(typing.cast(type, kind), value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return _checked_union(arguments, value, where)
    if origin is tuple:
        items = _expect(list, value, where)
        if arguments[-1] is Ellipsis:
            arguments = arguments[:1] * len(items)
        if len(items) != len(arguments):
            raise InputError(f"field {where!r} has {len(items)} entries, expected {len(arguments)}")
        return tuple(
            checked(kind, item, f"{where}[{index}]") for index, (kind, item) in enumerate(zip(arguments, items, strict=True))
        )
    if origin is dict:
        pairs = _expect(dict, value, where)
        return {key: checked(arguments[1], item, f"{where}.{key}") for key, item in pairs.items()}
    if kind is Any:
        return value
    return _expect(kind, value, where)


def _check_plain(value: Any, depth: int) -> None:
    """Refuse control characters, infinite numbers and deep nesting anywhere in the document."""
    if depth > _MAX_DEPTH:
        raise InputError(f"is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, str) and not value.isprintable():
        raise InputError(f"contains text that cannot be printed: {ascii(value)[:60]}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError("contains a number that is not finite")
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _check_plain(part, depth + 1)


def _checked_dataclass(kind: type, value: Any, where: str) -> Any:
    pairs = _expect(dict, value, where or kind.__name__)
    types_of, required = _fields(kind)
    unknown = sorted(pairs.keys() - types_of.keys())
    missing = sorted(required - pairs.keys())
    if unknown or missing:
        problem, name = ("unknown field", unknown[0]) if unknown else ("missing field", missing[0])
        raise InputError(f"{problem} {_join(where, name)!r}")
    values = {name: checked(types_of[name], item, _join(where, name)) for name, item in pairs.items()}
    try:
        return kind(**values)
    except ValueError as error:  # raised by the dataclass itself
        raise InputError(f"field {where!r} is impossible: {error}" if where else str(error)) from error


@lru_cache(maxsize=256)
def _fields(kind: type) -> tuple[dict[str, Any], frozenset[str]]:
    """The type of each field, and the names of the required ones."""
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    return {field.name: hints[field.name] for field in fields}, frozenset(
        field.name for field in fields if field.default is dataclasses.MISSING
    )


def _checked_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    (kind,) = (kind for kind in kinds if kind is not types.NoneType)
    return checked(kind, value, where)


def _expect(kind: Any, value: Any, where: str) -> Any:
    if kind is float and type(value) is int and abs(value) < 2**1023:
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise InputError(f"field {where!r} is {_shorten(value)}, expected {_NAMES.get(kind, kind.__name__)}")
    return value


_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "an object"}


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _shorten(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:37] + "..."


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("a key occurs twice")
    return dict(pairs)
