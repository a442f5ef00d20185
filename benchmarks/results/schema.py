"""The JSON Schema of a results file, from the dataclasses that read it.

`python -m benchmarks.results.schema` prints docs/results.schema.json.

https://json-schema.org/draft/2020-12/schema. It states types alone; ranges of numbers are checked when a file is read.
"""

import dataclasses
import json
import types
import typing
from typing import Any

from benchmarks.results.results import SCHEMA_VERSION, BenchResult

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def results_schema() -> dict[str, Any]:
    """The schema, with a definition for each dataclass."""
    definitions: dict[str, Any] = {}
    top = _type(BenchResult, definitions)
    definitions["BenchResult"]["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Results of digits bench, schema version {SCHEMA_VERSION}",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(results_schema(), indent=2) + "\n"


def _type(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [{"type": "null"} if part is types.NoneType else _type(part, definitions) for part in arguments]}
    if origin is tuple:
        return _tuple(arguments, definitions)
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1], definitions)}
    if dataclasses.is_dataclass(kind):
        return _record(kind, definitions)
    return {"type": _PLAIN[kind]}


def _tuple(arguments: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    if arguments[-1] is Ellipsis:
        return {"type": "array", "items": _type(arguments[0], definitions)}
    entries = [_type(part, definitions) for part in arguments]
    return {"type": "array", "prefixItems": entries, "items": False, "minItems": len(entries)}


def _record(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}  # so that a recursive record ends
        hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
        definitions[name] = {
            "description": " ".join((kind.__doc__ or "").split()),
            "type": "object",
            "properties": {field.name: _type(hints[field.name], definitions) for field in fields},
            "required": [field.name for field in fields if field.default is dataclasses.MISSING],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


if __name__ == "__main__":
    print(schema_text(), end="")
