"""What `digits export --format tflm` writes, and what it refuses."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from convert.c_code import tflm_export
from convert.c_code.compilers import call
from convert.c_code.tflm_export import export_tflm
from edge_runtime.model.graph import Operator
from edge_runtime.model.model_file import parse_model_file, read_model_file
from tests.commands import digits, one_line
from tests.convert.c_code.graphs import GraphBuilder

IMAGES = np.zeros((1, 28, 28), np.uint8)
GRAPH = GraphBuilder(1).convolution(4, (5, 5), (3, 3)).mean().dense(10).finish()
HOSTILE = '*/ int main(){return 1;} /*"; ??/\n\\'

# A program as TFLite Micro's users write it, with a resolver that counts.
_MAIN = """
#include <cstdint>
#include <cstdio>
#include "{prefix}_tflm.h"

struct Resolver {{
    int count = 0;
    void AddConv2D() {{ count += 1; }}
    void AddFullyConnected() {{ count += 10; }}
    void AddMean() {{ count += 100; }}
    void AddReshape() {{ count += 1000; }}
}};

int main() {{
    Resolver resolver;
    if (true)
        {macro}_ADD_OPERATORS(resolver);
    else
        return 2;
    std::fwrite({prefix}_model, 1, sizeof {prefix}_model, stdout);
    std::fprintf(stderr, "%d %d %d %s", resolver.count, {macro}_OPERATORS, int(reinterpret_cast<uintptr_t>({prefix}_model) % 16),
                 {prefix}_model_labels[0]);
}}
"""


@pytest.fixture
def gcc() -> str:
    """A C++ compiler."""
    if not shutil.which("g++"):
        pytest.skip("no g++")
    return "g++"


def _compiled(compiler: str, folder: Path, prefix: str) -> tuple[bytes, str]:
    """What the program prints: the model, and its facts."""
    (folder / "main.cc").write_text(_MAIN.format(prefix=prefix, macro=prefix.upper()))
    options = ("-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-trigraphs")
    call([compiler, *options, "-o", "main", "main.cc", f"{prefix}_tflm.cc"], str(folder))
    content = call([str(folder / "main")], str(folder))
    return content, call([str(folder / "main")], str(folder), with_errors=True)[len(content) :].decode()


def test_the_array_is_the_flatbuffer_and_the_resolver_gets_its_operators(gcc: str, tmp_path: Path) -> None:
    """The manifest behind the FlatBuffer is left out; the array begins at a multiple of 16; exporting again gives the same bytes."""
    folders = (tmp_path / "one", tmp_path / "two")
    for folder in folders:
        answer = digits("export", "small", "--format", "tflm", "--out", folder, "--images", 10)
        assert answer.code == 0, answer.err
        assert "needs:   Conv2D, FullyConnected, Mean, Reshape" in answer.out
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert sorted(contents[0]) == ["digits_small_tflm.cc", "digits_small_tflm.h", "digits_small_tflm.json"]
    assert contents[0] == contents[1]
    content, facts = _compiled(gcc, folders[0], "digits_small")
    assert content == read_model_file(Path("small")).flatbuffer
    assert facts == "1111 4 0 0"


def test_the_arena_is_what_the_package_measured(tflite_micro: str, tmp_path: Path) -> None:
    """With the package's version, and the labels that differ from LiteRT's."""
    answer = digits("export", "small", "--format", "tflm", "--out", tmp_path, "--images", 20, "--json")
    assert answer.code == 0, answer.err
    report = json.loads(answer.out)
    assert report == json.loads((tmp_path / "digits_small_tflm.json").read_text())
    assert (report["tflite_micro"], report["images"], report["different_labels"]) == (tflite_micro, 20, 0)
    assert f"#define DIGITS_SMALL_ARENA_BYTES {report['arena_bytes']}\n" in (tmp_path / "digits_small_tflm.h").read_text()
    assert 2_000 < report["arena_bytes"] < 20_000


def test_without_the_package_the_arena_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are written, the output says how to measure it, and no file names this machine."""
    monkeypatch.setattr(tflm_export, "installed_version", lambda: None)
    answer = digits("export", "small", "--format", "tflm", "--out", tmp_path, "--images", 10)
    assert answer.code == 0, answer.err
    assert "pip install '.[tflm]'" in answer.out
    header = (tmp_path / "digits_small_tflm.h").read_text()
    assert "#define DIGITS_SMALL_ARENA_BYTES" not in header
    assert "was not measured" in header
    assert json.loads((tmp_path / "digits_small_tflm.json").read_text())["arena_bytes"] is None


def test_hostile_labels_stay_text(gcc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a label is code, or ends a comment."""
    monkeypatch.setattr(tflm_export, "installed_version", lambda: None)
    model = dataclasses.replace(parse_model_file(GRAPH), labels=(HOSTILE, *map(str, range(9))), name=HOSTILE)
    made = export_tflm(model, IMAGES, name="12 x-y.z")
    for name, text in made.files.items():
        assert HOSTILE not in text
        (tmp_path / name).write_text(text)
    assert _compiled(gcc, tmp_path, "digits_12_x_y_z")[1] == f"111 3 0 {HOSTILE}"


def test_an_operator_that_it_has_not_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is written, whether or not the package is installed."""
    model = parse_model_file(GRAPH)
    odd = dataclasses.replace(model.graph, operators=(*model.graph.operators, Operator("RNN", 1, False)))
    monkeypatch.setattr("edge_runtime.model.model_file.read_model_file", lambda _: dataclasses.replace(model, graph=odd))
    message = one_line(digits("export", "any", "--format", "tflm", "--out", tmp_path / "out"), 4)
    assert "has RNN, which TFLite Micro has not" in message
    assert not (tmp_path / "out").exists()


def test_nothing_is_replaced_without_force(tmp_path: Path) -> None:
    """An existing file stops the command before any work."""
    (tmp_path / "digits_small_tflm.cc").write_text("mine")
    assert "--force" in one_line(digits("export", "small", "--format", "tflm", "--out", tmp_path), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["digits_small_tflm.cc"]
    assert digits("export", "small", "--format", "tflm", "--out", tmp_path, "--images", 2, "--force").code == 0


@pytest.mark.parametrize("option", [("--max-ram", 100), ("--max-flash", 100), ("--rounding", "tflm")])
def test_options_of_c_code_are_refused(tmp_path: Path, option: tuple[str, object]) -> None:
    """They would do nothing."""
    assert "--format c" in one_line(digits("export", "small", "--format", "tflm", "--out", tmp_path, *option), 2)
