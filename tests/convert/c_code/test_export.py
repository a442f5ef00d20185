"""What `digits export` writes, and what it refuses."""

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.c_code import budget, export
from convert.c_code.compilers import call
from convert.c_code.export import check_export, export_c
from convert.c_code.source import write_c
from edge_runtime.errors import BadArgument, LimitsNotMet, ModelFileError
from edge_runtime.model.model_file import parse_model_file, read_model_file
from tests.commands import digits, one_line
from tests.convert.c_code.graphs import SAME, GraphBuilder

HOSTILE = '*/ int main(void){return 1;} /*"; ??/\n\\'
GRAPH = GraphBuilder(1).convolution(4, (5, 5), (3, 3)).mean().dense(10).finish()


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A small int8 model without a manifest."""
    path = tmp_path / "mine.tflite"
    path.write_bytes(GRAPH)
    return path


@pytest.fixture(autouse=True)
def one_target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile for one processor, once: `make test-mcu` covers the others."""
    if request.node.get_closest_marker("mcu") is None:
        monkeypatch.setattr(budget, "TARGETS", budget.TARGETS[:1])
        monkeypatch.setattr(budget, "LEVELS", ("-Os",))


def _read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_command_writes_code_that_passes_its_own_test(compiler: str, tmp_path: Path) -> None:
    """The self-test prints how many golden images are right; exporting again gives the same bytes."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        answer = digits("export", "small", "--out", folder, "--images", 10)
        assert answer.code == 0, answer.err
        assert "0 of 100 differ from LiteRT's reference kernels" in answer.out
    files = _read(folders[0])
    assert list(files) == ["digits_small.c", "digits_small.h", "digits_small.json", "digits_small_test.c"]
    assert files == _read(folders[1])
    call([compiler, "-std=c99", "-o", "test", "digits_small.c", "digits_small_test.c"], str(folders[0]))
    assert call([str(folders[0] / "test")], str(folders[0])) == b"16 of 16\n"
    sha256 = read_model_file(Path("small")).sha256
    assert f'#define DIGITS_SMALL_SHA256 "{sha256}"'.encode() in files["digits_small.h"]
    assert json.loads(files["digits_small.json"])["sha256"] == sha256


@pytest.mark.usefixtures("compiler")
def test_json_is_the_report(model_file: Path, tmp_path: Path) -> None:
    """One object on stdout, the same as in the file."""
    answer = digits("export", model_file, "--out", tmp_path / "out", "--images", 3, "--json")
    report = json.loads((tmp_path / "out" / "digits_mine.json").read_text())
    assert json.loads(answer.out) == report
    assert report["proof"]["different_logits"] == 0
    assert {entry["target"] for entry in report["budgets"]} == {target.name for target in budget.TARGETS}


@pytest.mark.usefixtures("compiler")
def test_nothing_is_replaced_without_force(model_file: Path, tmp_path: Path) -> None:
    """An existing file stops the command before any work."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "digits_mine.h").write_text("mine")
    (out / "digits_mine.c").write_text("mine")
    assert "--force" in one_line(digits("export", model_file, "--out", out, "--images", 3), 1)
    assert (out / "digits_mine.h").read_text() == "mine"
    assert digits("export", model_file, "--out", out, "--images", 3, "--force").code == 0


@pytest.mark.usefixtures("compiler")
def test_a_logit_that_differs_fails_the_command(model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3 after the report, and no file is written."""
    honest = export.run_c

    def planted(*arguments: Any) -> Any:
        logits = honest(*arguments).copy()
        logits[1, 3] += 1
        return logits

    monkeypatch.setattr(export, "run_c", planted)
    answer = digits("export", model_file, "--out", tmp_path / "out", "--images", 3)
    assert answer.code == 3
    assert "1 of 30 differ" in answer.out
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("compiler", "tflite_micro")
def test_the_rounding_of_tflite_micro_is_proven_with_it(model_file: Path, tmp_path: Path) -> None:
    """Output, self-test and report name whose logits they are."""
    answer = digits("export", model_file, "--out", tmp_path, "--images", 3, "--rounding", "tflm")
    assert answer.code == 0, answer.err
    assert "0 of 30 differ from TFLite Micro" in answer.out
    assert "the logits of TFLite Micro" in (tmp_path / "digits_mine_test.c").read_text()
    assert json.loads((tmp_path / "digits_mine.json").read_text())["proof"]["oracle"] == "TFLite Micro"


def test_without_tflite_micro_its_rounding_is_not_written(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since nothing proves it; the message says how to install it."""
    monkeypatch.setattr("convert.tflite_micro.interpreter.installed_version", lambda: None)
    message = one_line(digits("export", model_file, "--out", tmp_path / "out", "--images", 3, "--rounding", "tflm"), 1)
    assert "pip install '.[tflm]'" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(("option", "what"), [("--max-flash", "flash"), ("--max-ram", "RAM")])
def test_limits_fail_the_command(model_file: Path, tmp_path: Path, option: str, what: str) -> None:
    """Exit 3, naming the processor and its need."""
    answer = digits("export", model_file, "--out", tmp_path / "out", "--images", 3, option, 100)
    assert answer.code == 3
    assert f"bytes of {what}, more than {option} 100" in answer.err
    assert not (tmp_path / "out").exists()
    assert digits("export", model_file, "--out", tmp_path / "out", "--images", 3, option, 100_000).code == 0


def test_without_compilers_nothing_is_compared_and_sizes_are_estimates(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report says so."""
    monkeypatch.setenv("PATH", "/nowhere")
    made = export_c(read_model_file(model_file), np.zeros((2, 28, 28), np.uint8))
    assert made.proof.compiler is None
    assert {entry.level for entry in made.budgets} == {"estimate"}
    check_export(made)
    with pytest.raises(LimitsNotMet):
        check_export(made, max_flash=100)


@pytest.mark.mcu
@pytest.mark.parametrize("name", ["nano", "small", "base"])
def test_estimates_are_no_less_than_what_compilers_give(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By at most 15 %."""
    model = write_c(read_model_file(Path(name)))
    measured = {entry.target: entry for entry in budget.measure_budgets(model) if entry.level != "-Os"}
    monkeypatch.setenv("PATH", "/nowhere")
    for estimate in budget.measure_budgets(model):
        found = measured[estimate.target]
        assert found.flash_bytes <= estimate.flash_bytes <= 1.15 * found.flash_bytes
        assert found.ram_bytes <= estimate.ram_bytes <= 1.15 * found.ram_bytes


def test_other_operators_are_refused_by_name(tmp_path: Path) -> None:
    """Before anything is written."""
    path = tmp_path / "mine.tflite"
    path.write_bytes(GraphBuilder(1).reshape(784).dense(10).softmax().finish())
    message = one_line(digits("export", path, "--out", tmp_path / "out"), 4)
    assert "SOFTMAX" in message
    assert "CONV_2D" in message
    assert not (tmp_path / "out").exists()


def test_a_float_model_is_refused(tmp_path: Path) -> None:
    """The message says which recipes can be exported."""
    message = one_line(digits("export", "base-fp32", "--out", tmp_path), 4)
    assert "--recipe int8" in message


def test_branches_are_refused() -> None:
    """C code is written for chains of operators."""
    builder = GraphBuilder(1).reshape(784)
    builder.current = 0  # the dense layer reads the pixels too
    with pytest.raises(ModelFileError, match="chains"):
        write_c(parse_model_file(builder.dense(10).finish()))


def test_sums_that_could_overflow_are_refused() -> None:
    """A bias near 2^31 leaves no room."""
    builder = GraphBuilder(1).convolution(2, (28, 28))
    flatbuffer = builder.reshape(2).dense(2).finish()
    bias = builder.biases[0]
    broken = flatbuffer.replace(bias, np.array([2**31 - 5, 1], "<i4").tobytes())
    assert broken != flatbuffer
    with pytest.raises(ModelFileError, match="do not fit 32 bits"):
        write_c(parse_model_file(broken))


@pytest.mark.parametrize("name", [HOSTILE, 'a"b', "", "naïve", "a/b", "x" * 65])
def test_names_that_give_no_identifier_are_refused(name: str) -> None:
    """The remedy is --name."""
    with pytest.raises(BadArgument, match="--name"):
        write_c(parse_model_file(GRAPH), name)


def test_hostile_labels_stay_text(compiler: str, tmp_path: Path) -> None:
    """Quotes, comments, trigraphs and line ends of labels reach the program as they are, and nothing of them is code."""
    labels = (HOSTILE, "ü", *map(str, range(8)))
    model = write_c(dataclasses.replace(parse_model_file(GRAPH), labels=labels), "12 x-y.z")
    assert model.prefix == "digits_12_x_y_z"
    assert HOSTILE not in model.source
    (tmp_path / f"{model.prefix}.h").write_text(model.header)
    (tmp_path / f"{model.prefix}.c").write_text(model.source)
    (tmp_path / "main.c").write_text(
        f'#include <stdio.h>\n#include "{model.prefix}.h"\nint main(void) {{ fputs({model.prefix}_labels[0], stdout); '
        f"fputs({model.prefix}_labels[1], stdout); return 0; }}\n"
    )
    call([compiler, "-std=c99", "-trigraphs", "-Werror", "-o", "main", "main.c", f"{model.prefix}.c"], str(tmp_path))
    assert call([str(tmp_path / "main")], str(tmp_path)).decode() == HOSTILE + "ü"


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("form", ["c", "tflm"])
def test_a_killed_export_leaves_no_half_file(model_file: Path, tmp_path: Path, form: str) -> None:
    """At 30 moments: each file is whole or not there."""
    whole = tmp_path / "whole"
    command = [sys.executable, "-m", "edge_runtime.cli", "export", str(model_file), "--format", form, "--images", "3", "--out"]
    start = time.monotonic()
    subprocess.run([*command, str(whole)], check=True, capture_output=True)
    duration, files = time.monotonic() - start, _read(whole)
    for moment in range(30):
        folder = tmp_path / str(moment)
        child = subprocess.Popen([*command, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(duration * (0.7 + moment / 100))
        child.kill()
        child.wait()
        found = {name: content for name, content in (_read(folder) if folder.exists() else {}).items() if not name.startswith(".")}
        assert found == {name: files[name] for name in found}


@pytest.mark.skipif(not shutil.which("g++"), reason="no g++")
def test_the_header_is_cplusplus_too(tmp_path: Path) -> None:
    """As a sketch for Arduino includes it."""
    model = write_c(parse_model_file(GraphBuilder(3).convolution(3, (3, 3), padding=SAME).mean().dense(10).finish()), "sketch")
    (tmp_path / "digits_sketch.h").write_text(model.header)
    (tmp_path / "sketch.cpp").write_text(
        '#include "digits_sketch.h"\nint use(const uint8_t *image) { return digits_sketch_classify(image); }\n'
    )
    call(["g++", "-Wall", "-Wextra", "-Werror", "-c", "sketch.cpp"], str(tmp_path))
