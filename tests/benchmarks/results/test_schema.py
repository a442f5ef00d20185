"""docs/results.schema.json: what the dataclasses say, and what every committed results file is."""

import dataclasses
import json
from typing import Any

import pytest

from benchmarks.results.results import BenchResult
from benchmarks.results.schema import results_schema, schema_text
from edge_runtime.common.json_codec import to_json
from tests.benchmarks.samples import bench_result
from tests.conftest import ROOT

SCHEMA = ROOT / "docs" / "results.schema.json"
RESULTS = sorted(
    path for kind in ("models", "demo", "against", "limits") for path in (ROOT / "benchmarks" / "reference").glob(f"{kind}-*.json")
)
KINDS = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None), "array": list, "object": dict}


def _fits(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> bool:
    """As much of JSON Schema as ours has."""
    if "$ref" in schema:
        return _fits(value, definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    if "anyOf" in schema:
        return any(_fits(value, part, definitions) for part in schema["anyOf"])
    if "const" in schema:
        return bool(value == schema["const"])
    if not isinstance(value, KINDS[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean"):
        return False
    return all(_fits(item, part, definitions) for item, part in _parts(value, schema)) and _is_whole(value, schema)


def _parts(value: Any, schema: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """What a list or an object holds, each with its schema."""
    if schema["type"] == "array":
        parts = schema.get("prefixItems") or [schema["items"]] * len(value)
        return list(zip(value, parts, strict=False))
    if schema["type"] == "object":
        known = schema.get("properties") or dict.fromkeys(value, schema["additionalProperties"])
        return [(item, known[name]) for name, item in value.items() if name in known]
    return []


def _is_whole(value: Any, schema: dict[str, Any]) -> bool:
    """Whether nothing is missing or too much."""
    if "properties" in schema:
        return bool(set(schema["required"]) <= value.keys() <= schema["properties"].keys())
    return len(value) == len(schema["prefixItems"]) if "prefixItems" in schema else True


def test_the_committed_schema_is_what_the_script_writes() -> None:
    """`python -m benchmarks.results.schema > docs/results.schema.json` would change nothing."""
    assert SCHEMA.read_text() == schema_text()


def test_every_field_of_a_result_is_in_it() -> None:
    """Those that may be left out are not required."""
    record = results_schema()["$defs"]["BenchResult"]
    assert list(record["properties"]) == [field.name for field in dataclasses.fields(BenchResult)]
    assert {"limits", "loadgen", "clock_cost_ns", "photo_sha256"} == set(record["properties"]) - set(record["required"])


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_committed_results_fit(path: Any) -> None:
    """By our own reading of the schema, and by a real validator where there is one."""
    content, schema = json.loads(path.read_text()), json.loads(SCHEMA.read_text())
    assert _fits(content, schema, schema["$defs"])
    for edit in ({"threads": "one"}, {"schema_version": 3}, {"speed": 1}, {"models": [{}]}, {"reference": None}):
        assert not _fits({**content, **edit}, schema, schema["$defs"])
    assert not _fits({name: value for name, value in content.items() if name != "machine"}, schema, schema["$defs"])


def test_a_real_validator_agrees() -> None:
    """On committed results, invented ones, and invalid ones."""
    jsonschema = pytest.importorskip("jsonschema_rs")
    validator = jsonschema.validator_for(json.loads(SCHEMA.read_text()))
    for text in (*(path.read_text() for path in RESULTS), to_json(bench_result())):
        validator.validate(json.loads(text))
        assert not validator.is_valid({**json.loads(text), "threads": 1.5})
