"""The manifest field by field: the shipped one with one value of it edited, and what docs/model-file.md says of it."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from edge_runtime.errors import ModelFileError
from edge_runtime.model.archive import pack, unpack
from edge_runtime.model.manifest import FORMAT_VERSION, Comparison, Manifest, PixelContract
from edge_runtime.model.model_file import DEFAULT_MODEL, parse_model_file
from tests.conftest import ROOT

DATA = DEFAULT_MODEL.read_bytes()
OFFSET, ENTRIES = unpack(DATA)
MANIFEST = json.loads(ENTRIES["manifest.json"])
SPEC = (ROOT / "docs" / "model-file.md").read_text()
# Whatever a training or a calibration says of itself; any JSON may stand there.
FREE = ("origin.training.", "origin.calibration.")
ANY_JSON: tuple[Any, ...] = (None, True, 1, 1.5, "text", [], {})


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every field of JSON, however deep, and the first two entries of each list."""
    if path:
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ():
        yield from _places(item, (*path, key))


def _name(path: tuple[str | int, ...]) -> str:
    """As errors write it: `accuracy[0].candidate.total`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


PLACES = {_name(path): path for path in _places(MANIFEST) if not _name(path).startswith(FREE)}


def _edited(path: tuple[str | int, ...], value: Any) -> bytes:
    """The shipped file with that value at that place, or without the field for the value `del`."""
    manifest = json.loads(ENTRIES["manifest.json"])
    inner = manifest
    for part in path[:-1]:
        inner = inner[part]
    if value == "del":
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return DATA[:OFFSET] + pack(OFFSET, {**ENTRIES, "manifest.json": text.encode()})


def _value(path: tuple[str | int, ...]) -> Any:
    value = MANIFEST
    for part in path:
        value = value[part]
    return value


def test_a_manifest_that_is_not_edited_is_accepted() -> None:
    """Else the other tests here would show nothing."""
    assert len(PLACES) > 100
    assert _edited(("name",), MANIFEST["name"]) == DATA
    assert parse_model_file(DATA).manifest is not None


def test_a_value_of_another_type_is_refused() -> None:
    """At every place, by its name; a whole number where a fraction belongs is at least not written as the format says."""
    for place, path in PLACES.items():
        right = type(_value(path))
        for wrong in ANY_JSON:
            whole = (right, type(wrong)) == (float, int)
            cause = "not in canonical form|is impossible" if whole else re.escape(f"'{place}'")
            if type(wrong) is not right:
                with pytest.raises(ModelFileError, match=cause):
                    parse_model_file(_edited(path, wrong))


def test_a_field_that_is_missing_is_refused() -> None:
    """However deep; only runtimes and packages are listed by names of their own, so that any may be missing."""
    for place, path in PLACES.items():
        if place.startswith(("origin.versions.", "minimum_runtime.")):
            assert parse_model_file(_edited(path, "del")).manifest is not None
        elif not isinstance(path[-1], int):
            with pytest.raises(ModelFileError, match=rf"field '{re.escape(place)}'|every field"):
                parse_model_file(_edited(path, "del"))


@pytest.mark.parametrize(("field", "value"), [("dtype", "int8"), ("shape", [28, 27]), ("background", 1), ("ink", 254)])
def test_another_pixel_contract_is_refused(field: str, value: Any) -> None:
    """There is one: uint8 [28, 28], 0 = background, 255 = ink."""
    with pytest.raises(ModelFileError, match="pixel contract"):
        parse_model_file(_edited(("pixels", field), value))


@pytest.mark.parametrize(("version", "advice"), [(0, "create it again"), (3, "update edge-digits")])
def test_another_format_is_refused_before_its_fields_are_read(version: int, advice: str) -> None:
    """Another version may have other fields."""
    with pytest.raises(ModelFileError, match=rf"has format version {version}, this program reads 1 and 2; .*{advice}"):
        parse_model_file(_edited(("format_version",), version))


def test_version_1_has_no_temperature_and_is_read_with_1() -> None:
    """Each version has its own fields: a temperature in version 1, or none in version 2, is an error."""
    manifest = {name: value for name, value in MANIFEST.items() if name != "temperature"}

    def packed(**changes: Any) -> bytes:
        text = json.dumps({**manifest, **changes}, sort_keys=True, separators=(",", ":"))
        return DATA[:OFFSET] + pack(OFFSET, {**ENTRIES, "manifest.json": text.encode()})

    model = parse_model_file(packed(format_version=1))
    assert model.manifest is not None
    assert (model.temperature, model.manifest.format_version, model.manifest.name) == (1.0, 1, MANIFEST["name"])
    with pytest.raises(ModelFileError, match="unknown field 'temperature'"):
        parse_model_file(packed(format_version=1, temperature=0.5))
    with pytest.raises(ModelFileError, match="missing field 'temperature'"):
        parse_model_file(packed(format_version=2))


@pytest.mark.parametrize("temperature", [-1.0, 0.0, 0.049, 20.01])
def test_a_temperature_that_makes_no_probabilities_is_refused(temperature: float) -> None:
    """From almost sure to almost uniform."""
    with pytest.raises(ModelFileError, match=r"temperature of .*, expected 0\.05 to 20"):
        parse_model_file(_edited(("temperature",), temperature))


def test_the_specification_lists_the_fields() -> None:
    """All of them, those of a comparison too, and the one pixel contract."""
    (table,) = re.findall(r"^## manifest\.json\n(.*?)^## ", SPEC, re.MULTILINE | re.DOTALL)
    listed = [name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert listed == [field.name for field in fields(Manifest)]
    (comparison,) = re.findall(r"^A comparison has (.*?)\n\n", table, re.MULTILINE | re.DOTALL)
    assert {field.name for field in fields(Comparison)} <= set(re.findall(r"`(\w+)`", comparison))
    contract = PixelContract()
    assert f'`dtype` "{contract.dtype}", `shape` {list(contract.shape)}, `background` 0, `ink` 255' in table
    assert (contract.background, contract.ink, FORMAT_VERSION) == (0, 255, 2)
