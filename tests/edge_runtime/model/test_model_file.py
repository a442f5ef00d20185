"""Reading model files: good ones, and every way in which a file can be wrong, through the reader and through the command."""

import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edge_runtime.cli import main
from edge_runtime.errors import ModelFileError
from edge_runtime.model.archive import pack, unpack
from edge_runtime.model.model_file import DEFAULT_MODEL, MODELS, find_model, parse_model_file, read_model_file

DATA = DEFAULT_MODEL.read_bytes()
OFFSET, ENTRIES = unpack(DATA)
INFINITE = ENTRIES["manifest.json"].replace(b'"amount":2.0', b'"amount":1e999')
MANIFEST = json.loads(ENTRIES["manifest.json"])


def _repacked(**changes: Any) -> bytes:
    """The shipped model with fields of its manifest changed, in an archive that is otherwise right."""
    manifest = json.dumps({**MANIFEST, **changes}, sort_keys=True, separators=(",", ":")).encode()
    return DATA[:OFFSET] + pack(OFFSET, {**ENTRIES, "manifest.json": manifest})


def _with_zip(names: list[str]) -> bytes:
    stream = io.BytesIO()
    stream.write(DATA[:OFFSET])
    with zipfile.ZipFile(stream, "a") as archive:
        for name in names:
            archive.writestr(name, ENTRIES.get(name, b"x"))
    return stream.getvalue()


def test_the_shipped_model_reads() -> None:
    """Name, labels, sizes and manifest are there, and the FlatBuffer is the part before the archive."""
    model = read_model_file()
    assert (model.name, model.labels, model.file_bytes) == ("small", tuple("0123456789"), len(DATA))
    assert model.flatbuffer == DATA[:OFFSET]
    assert model.manifest is not None
    assert model.sha256 == model.manifest.flatbuffer.sha256
    assert model.golden().images.shape == (16, 28, 28)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, MODELS / "small-int8.tflite"),
        ("nano", MODELS / "nano-int8.tflite"),
        ("base-fp32", MODELS / "base-fp32.tflite"),
        ("tiny", "tiny"),  # no such model
        ("nano.tflite", "nano.tflite"),  # a file, even if it is not there
        ("./nano", MODELS / "nano-int8.tflite"),  # pathlib drops the dot
        ("folder/nano", "folder/nano"),
        ("small", "small"),  # there is a file of that name
        ("", ""),
    ],
)
def test_shipped_models_have_names(
    given: str | None, expected: str | Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A name alone means a shipped file, unless something in the current folder is called so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").write_bytes(b"mine")
    assert find_model(None if given is None else Path(given)) == Path(expected)


def test_a_plain_tflite_reads_without_a_manifest() -> None:
    """The FlatBuffer alone is a model whose labels are numbers."""
    model = parse_model_file(DATA[:OFFSET], "mine")
    assert (model.name, model.manifest, model.labels) == ("mine", None, tuple("0123456789"))
    with pytest.raises(ModelFileError, match="plain"):
        model.golden()


def test_a_tflite_with_somebody_elses_archive_is_a_plain_one() -> None:
    """TFLite Metadata appends label files as a ZIP too; that is no archive of ours and no fault."""
    stream = io.BytesIO()
    stream.write(DATA[:OFFSET])
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("labelmap.txt", "zero\none\n")
    assert parse_model_file(stream.getvalue()).manifest is None


def test_five_hundred_flipped_bits_are_noticed() -> None:
    """Wherever a bit flips, in the FlatBuffer, the archive or its end record, the file is refused."""
    places = random.Random(1).sample(range(len(DATA) * 8), 478) + list(range(len(DATA) * 8 - 176, len(DATA) * 8, 8))
    for place in places:
        flipped = bytearray(DATA)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(ModelFileError):
            parse_model_file(bytes(flipped))


def test_a_file_cut_off_anywhere_is_noticed() -> None:
    """But for the place where the FlatBuffer ends and nothing tells that an archive should follow."""
    cuts = {*random.Random(2).sample(range(len(DATA)), 300), *range(OFFSET - 20, OFFSET + 60), *range(len(DATA) - 60, len(DATA))}
    for cut in cuts - {OFFSET}:
        with pytest.raises(ModelFileError):
            parse_model_file(DATA[:cut])


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "git lfs pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 49421\n", "Git LFS pointer"),
    "web page": (lambda: b"\n<!DOCTYPE html><html><title>404</title></html>", "web page"),
    "keras file": (lambda: b"PK\x03\x04" + bytes(100), "convert a .keras file with digits convert"),
    "hdf5 file": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "text": (lambda: b"hello, model", "not a TFLite model"),
    "flatbuffer cut off": (lambda: DATA[: OFFSET // 2], "damaged or truncated"),
    "archive cut off": (lambda: DATA[:-10], "damaged archive"),
    "bytes appended": (lambda: DATA + b"\0", "damaged archive"),
    "bytes between": (lambda: DATA[:OFFSET] + bytes(16) + DATA[OFFSET:], "damaged archive"),
    "bytes between, archive moved": (
        lambda: DATA[:OFFSET] + bytes(16) + pack(OFFSET + 16, ENTRIES),
        "states a FlatBuffer of",
    ),
    "another flatbuffer": (lambda: bytes([DATA[0] ^ 1]) + DATA[1:], "SHA-256"),
    "doubled entry": (lambda: _with_zip(["manifest.json", "manifest.json", "golden.npz"]), "damaged archive"),
    "climbing entry": (lambda: _with_zip(["../manifest.json", "labels.txt", "golden.npz"]), r"entry '\.\./manifest.json'"),
    "unknown entry": (lambda: _with_zip(["manifest.json", "labels.txt", "golden.npz", "run.sh"]), "damaged archive"),
    "no json": (lambda: DATA[:OFFSET] + pack(OFFSET, {**ENTRIES, "manifest.json": b"{"}), "not valid JSON"),
    "json of a wrong type": (lambda: _repacked(labels="0123456789"), "'labels'.*expected a list"),
    "nested wrong type": (lambda: _repacked(input={**MANIFEST["input"], "zero_point": "0"}), "'input.zero_point'.*a whole number"),
    "a boolean as a number": (lambda: _repacked(input={**MANIFEST["input"], "scale": True}), "'input.scale'"),
    "unknown field": (lambda: _repacked(colour="red"), "unknown field 'colour'"),
    "newer format": (lambda: _repacked(format_version=3), "format version 3"),
    "other scale": (lambda: _repacked(input={**MANIFEST["input"], "scale": 0.5}), "the manifest's input differs from the model's"),
    "other operators": (lambda: _repacked(operators=[]), "operator list"),
    "other contract": (lambda: _repacked(pixels={**MANIFEST["pixels"], "ink": 1}), "pixel contract"),
    "too few labels": (lambda: _repacked(labels=["0"]), "1 labels for 10 classes"),
    "other labels": (lambda: _repacked(labels=list("abcdefghij")), "labels.txt"),
    "escape codes in the name": (lambda: _repacked(name="\x1b[2Jcnn"), "cannot be printed"),
    "half a character": (lambda: _repacked(name="\ud800"), "cannot be printed"),
    "half a character as a key": (lambda: _repacked(minimum_runtime={"\ud800": "1"}), "cannot be printed"),
    "endless nesting": (
        lambda: _repacked(origin={**MANIFEST["origin"], "training": json.loads("[" * 60 + "]" * 60)}),
        "levels deep",
    ),
    "forged lines": (lambda: _repacked(origin={**MANIFEST["origin"], "command": "x\ngate  passed"}), "cannot be printed"),
    "an infinite number": (
        lambda: DATA[:OFFSET] + pack(OFFSET, {**ENTRIES, "manifest.json": INFINITE}),
        "not finite",
    ),
    "white space": (
        lambda: DATA[:OFFSET] + pack(OFFSET, {**ENTRIES, "manifest.json": json.dumps(MANIFEST).encode()}),
        "no white space",
    ),
    "nothing of the contract": (lambda: _repacked(pixels={}), "every field"),
    "unknown recipe": (lambda: _repacked(recipe="nonsense"), "expected a name such as"),
    "tolerance below zero": (lambda: _repacked(tolerance={"amount": -1.0, "unit": "steps"}), "0 or more"),
    "unknown tolerance": (lambda: _repacked(tolerance={"amount": 1.0, "unit": "miles"}), "tolerance"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_file_that_is_wrong_is_one_line_and_exit_4(case: str, tmp_path: Path) -> None:
    """`digits classify` names the file and the cause on one line of stderr, without a traceback."""
    make, cause = HOSTILE[case]
    path = tmp_path / "wrong.tflite"
    path.write_bytes(make())
    with pytest.raises(ModelFileError, match=cause):
        read_model_file(path)
    result = CliRunner().invoke(main, ["inspect", str(path)])
    assert result.exit_code == 4
    assert result.stdout == ""
    assert result.stderr.startswith(f"digits: {path}: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("field", sorted(MANIFEST))
def test_each_field_of_the_manifest_is_needed_and_typed(field: str) -> None:
    """Without it, or with null in its place, the file is refused and the field is named."""
    without = {name: value for name, value in MANIFEST.items() if name != field}
    for manifest in (without, {**MANIFEST, field: None}):
        data = DATA[:OFFSET] + pack(OFFSET, {**ENTRIES, "manifest.json": json.dumps(manifest).encode()})
        with pytest.raises(ModelFileError, match=f"'{field}'"):
            parse_model_file(data)


@pytest.mark.parametrize("content", [b"", b"noise", ENTRIES["golden.npz"][:-40]])
def test_damaged_golden_images_are_an_error_when_they_are_asked_for(content: bytes) -> None:
    """The archive may be right and golden.npz in it still be no array file."""
    model = parse_model_file(DATA[:OFFSET] + pack(OFFSET, {**ENTRIES, "golden.npz": content}))
    with pytest.raises(ModelFileError, match=r"golden\.npz"):
        model.golden()


def test_a_missing_file_is_an_error() -> None:
    """A path that is not there, or is a folder, is exit 4 with the path."""
    for path in (Path("/nowhere/model.tflite"), Path("/")):
        with pytest.raises(ModelFileError, match="cannot be read"):
            read_model_file(path)


def test_a_folder_does_not_hide_a_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of that name does."""
    monkeypatch.chdir(tmp_path)
    Path("small").mkdir()
    assert find_model(Path("small")) == DEFAULT_MODEL
    Path("nano").write_bytes(b"")
    assert find_model(Path("nano")) == Path("nano")


@pytest.mark.parametrize(
    ("name", "said"),
    [("smal", "; did you mean small?"), ("xyz", "; shipped models are base, base-fp32, nano, "), ("a/smal", "directory)")],
)
def test_a_wrong_name_gets_a_suggestion(name: str, said: str) -> None:
    """Of the shipped models, if it may be one of them."""
    with pytest.raises(ModelFileError, match=re.escape(said)):
        read_model_file(Path(name))
