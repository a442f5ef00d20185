"""`digits bench` on really converted files: what it writes and prints, and how each mistake of a user ends."""

import hashlib
import importlib
import json
import re
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.reporting.tables import HEADER, machine_line
from benchmarks.reporting.terminal import closing_lines
from benchmarks.results.results import BenchResult, ModelResult, read_results
from benchmarks.runner import session
from benchmarks.stats.intervals import per_call
from edge_runtime.common.intervals import accuracy_of
from edge_runtime.common.json_codec import to_json
from edge_runtime.common.packages import pip_install
from edge_runtime.inference.classifier import Classifier
from tests.benchmarks.conftest import Bench
from tests.benchmarks.samples import bench_result, many_processes
from tests.commands import digits, one_line
from tests.conftest import ROOT
from tests.samples import arrays_of, write_npz
from tests.train.runs.test_plots import decode
from train.data import Dataset


def _models(bench: Bench) -> list[ModelResult]:
    return list(read_results(bench.out / "Pi-4-B.json").models)


def _refuse_to_load(*_: object, **__: object) -> Any:
    pytest.fail("the mistake should have been reported before the work began")


def test_bench_writes_results_and_two_plots(bench: Bench) -> None:
    """Named after the board, with hyphens for characters that file names should not have; the results have the full name."""
    assert bench.answer.code == 0, bench.answer.err
    names = ["Pi-4-B-latency.png", "Pi-4-B-size.png", "Pi-4-B.json"]
    assert sorted(path.name for path in bench.out.iterdir()) == names
    assert read_results(bench.out / "Pi-4-B.json").machine.board == "Pi 4/B"


def test_bench_keeps_raw_samples_and_where_they_are_from(bench: Bench, mnist_slice: Dataset) -> None:
    """30 integer nanoseconds of each model, five cold starts, the settings, the hash of the data."""
    content = json.loads((bench.out / "Pi-4-B.json").read_text())
    assert {name: content[name] for name in ("schema_version", "threads", "seed", "split", "data_sha256")} == {
        "schema_version": 2,
        "threads": 1,
        "seed": 0,
        "split": "test",
        "data_sha256": mnist_slice.sha256,
    }
    for model in content["models"]:
        times = [time for turn in model["turns"] if turn["group"] == 1 for time in turn["samples_ns"]]
        assert (len(times), len(model["cold"]), len(model["starts"])) == (30, 5, 8)
        assert all(type(time) is int and time > 0 for time in times)
    assert content["command"].startswith("digits")


def test_bench_measures_the_files_that_it_was_given(bench: Bench, cnn_files: dict[str, Path]) -> None:
    """Name, recipe, sizes and hash are those of each file, in the order of the command line."""
    for model, short, recipe in zip(_models(bench), ("int8", "fp32"), ("static_wi8_ai8", "float32"), strict=True):
        path = cnn_files[short]
        loaded = Classifier.load(path).model
        assert (model.name, model.recipe, model.file, model.file_bytes) == ("cnn", recipe, path.name, path.stat().st_size)
        assert model.sha256 == hashlib.sha256(path.read_bytes()[: len(loaded.flatbuffer)]).hexdigest()
        assert 0 < model.payload_bytes < model.file_bytes
    int8, fp32 = _models(bench)
    assert 3.5 < fp32.payload_bytes / int8.payload_bytes < 4.5


def test_bench_judges_on_the_test_images(bench: Bench, cnn_files: dict[str, Path], mnist_slice: Dataset) -> None:
    """As many correct answers as the classifier gives; a trained network exceeds 97 %."""
    for model, short in zip(_models(bench), ("int8", "fp32"), strict=True):
        answers = Classifier.load(cnn_files[short]).classify_batch(mnist_slice.x_test)
        assert model.accuracy is not None
        assert asdict(model.accuracy) == asdict(accuracy_of(answers.indices, mnist_slice.y_test))
        assert model.accuracy.percent > 97


def test_bench_prints_no_percentile_that_30_samples_cannot_support(bench: Bench) -> None:
    """The machine, the table with a median but no column for p90 and p99, and where the files are."""
    lines = bench.answer.out.splitlines()
    result = read_results(bench.out / "Pi-4-B.json")
    assert lines[0] == machine_line(result)
    cells = [[cell for cell in re.split("  +", line) if cell] for line in lines[1:4]]
    assert cells[0] == [name for name in HEADER if not name.startswith(("p90", "p99"))]
    p50 = HEADER.index("p50")
    for row, model in zip(cells[1:], result.models, strict=True):
        times = sorted(per_call(model.median_turns))
        assert row[p50] == f"{int(times[len(times) // 2]) / 1_000:,.1f} us"
    written = [bench.out / name for name in ("Pi-4-B.json", "Pi-4-B-latency.png", "Pi-4-B-size.png")]
    assert lines[-4:-2] == [f"written: {', '.join(map(str, written))}", f"next:    digits report {written[0]}"]
    assert lines[-2:] == closing_lines(result)


def test_bench_draws_plots_with_content(bench: Bench) -> None:
    """Pictures with axes, points and a legend, and not the same one twice."""
    pages = [decode((bench.out / f"Pi-4-B-{name}.png").read_bytes()) for name in ("latency", "size")]
    assert all(0.005 < np.mean(page < 200) < 0.3 for page in pages)
    assert not np.array_equal(*pages)


@pytest.mark.parametrize("name", ["Pi-4-B.json", "Pi-4-B-latency.png", "Pi-4-B-size.png"])
def test_bench_refuses_to_replace_any_of_its_files(
    monkeypatch: pytest.MonkeyPatch, bench: Bench, tmp_path: Path, name: str
) -> None:
    """Before it measures; the file stays."""
    monkeypatch.setattr("benchmarks.cli.load_dataset", _refuse_to_load)
    (tmp_path / name).write_text("mine")
    message = one_line(digits(*bench.words, "--out", tmp_path), 1)
    assert message == f"digits: {tmp_path / name} exists already; give --force to replace it, or another name\n"
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.slow
def test_bench_without_accuracy_needs_no_data(monkeypatch: pytest.MonkeyPatch, cnn_files: dict[str, Path], tmp_path: Path) -> None:
    """The accuracy is that of the manifest; with --force old results are replaced."""
    monkeypatch.setattr("benchmarks.cli.load_dataset", _refuse_to_load)
    (tmp_path / "desk.json").write_text("old")
    words = ("bench", cnn_files["int8"], "--no-accuracy", "--samples", 5, "--board", "desk", "--out", tmp_path, "--force")
    answer = digits(*words, "--threads", 2, "--seed", 9, "--batches", 8, "--thread-sweep", "1,2")
    result = read_results(tmp_path / "desk.json")
    assert answer.code == 0
    assert (result.threads, result.seed, result.models[0].accuracy_stated, len(result.models[0].steady_ns)) == (2, 9, True, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk-latency.png", "desk-size.png", "desk.json"]
    swept = [line.split()[2:4] for line in answer.out.splitlines() if line.startswith("cnn int8 ")]
    assert swept[:3] == [["2", "1"], ["1", "1"], ["2", "8"]]
    assert "right (as proven at conversion; 16 of 16 golden images equal here)" in answer.out.splitlines()[-1]


Asked = list[tuple[list[str], Dataset | None]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What was to be measured, instead of measuring it: the names of the models, and the data. The results are invented."""
    calls: Asked = []

    def run(paths: list[Path], settings: object, data: Dataset | None, *_: object) -> BenchResult:
        calls.append(([path.stem for path in paths], data))
        return bench_result()

    monkeypatch.setattr("benchmarks.cli.run_with_progress", run)
    return calls


def test_bench_without_arguments_measures_what_every_installation_has(asked: Asked, tmp_path: Path) -> None:
    """Those models that pyproject.toml puts into the wheel, on the embedded test images."""
    answer = digits("bench", "--out", tmp_path)
    ((models, data),) = asked
    assert answer.code == 0, answer.err
    assert models == ["nano-int8", "small-int8", "base-int8", "base-fp32"]
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["edge_runtime"]
    files = [path for pattern in packaged for path in (ROOT / "edge_runtime").glob(pattern)]
    assert {*models} == {path.stem for path in files if path.suffix == ".tflite" and path.parent.name == "models"}
    assert data is not None
    assert len(data.test) == 10_000


def test_without_a_data_set_bench_states_accuracies(asked: Asked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a board, which has neither the embedded MNIST nor Keras; a data set that was asked for must be there."""
    monkeypatch.setattr("train.data.dataset.EMBEDDED_MNIST", tmp_path / "left out")
    monkeypatch.setitem(sys.modules, "keras.datasets", None)
    assert digits("bench", "--out", tmp_path).code == 0
    assert [data for _, data in asked] == [None]
    assert "no such file" in one_line(digits("bench", "--data", tmp_path / "gone", "--out", tmp_path / "other"), 4)


NOT_ON_A_BOARD = ("matplotlib", "jinja2", "psutil", "tqdm", "scipy")


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the README installs on a board; modules that import the rest are imported anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] in NOT_ON_A_BOARD]:
        monkeypatch.delitem(sys.modules, name)
    for name in NOT_ON_A_BOARD:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("reporting.plots", "reporting.html", "comparison.plots", "comparison.page"):
        room, _, module = name.partition(".")
        monkeypatch.delitem(sys.modules, f"benchmarks.{name}", raising=False)
        monkeypatch.delattr(importlib.import_module(f"benchmarks.{room}"), module, raising=False)


@pytest.mark.usefixtures("board")
def test_bench_needs_nothing_more_on_a_board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A real run: results without plots, what to do for them, and the model's line last."""
    monkeypatch.setattr(session, "_LOOK_S", 0.01)
    (tmp_path / "pi-latency.png").write_bytes(b"of an earlier run")
    words = ("bench", "nano", "--no-accuracy", "--samples", 1, "--board", "pi", "--out", tmp_path, "--force")
    code, text, error = digits(*words)
    results = tmp_path / "pi.json"
    assert (code, error) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["pi.json"]
    written, following, line = text.splitlines()[-3:]
    assert written == f"written: {results}"
    remedy = f"copy {results} to a computer with '.[bench]': digits report pi.json"
    assert following == f"next:    plots and a page need matplotlib and jinja2; {remedy}"
    assert line.startswith("nano on pi: ")
    assert "99.42 % right (as proven at conversion; 16 of 16 golden images equal here), " in line


@pytest.mark.usefixtures("board")
def test_a_board_reports_in_text_and_chooses(tmp_path: Path) -> None:
    """Tables, differences and the choice need no more; the page says in one line what it needs."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    for number, path in enumerate((old, new)):
        path.write_text(to_json(bench_result(many_processes([1_000_000 + number] * 3), reference=many_processes([1_000_000] * 3))))
    assert digits("report", old, "--markdown").out.startswith("| model | ")
    assert "nothing was compared" in digits("report", "--diff", old, new).out
    assert "pick: cnn int8" in digits("choose", old).out
    message = one_line(digits("report", old, "--out", tmp_path / "page.html"), 1)
    assert message.startswith("digits: report needs matplotlib")
    assert message.endswith(f"; install it with: {pip_install()} '.[bench]'\n")


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "gone", "empty"])
def test_a_damaged_model_exits_4(cnn_files: dict[str, Path], tmp_path: Path, damage: str) -> None:
    """One line that begins with the path; nothing is written."""
    content = cnn_files["int8"].read_bytes()
    path = tmp_path / "bad.tflite"
    flipped = content[:9_000] + bytes([content[9_000] ^ 1]) + content[9_001:]
    contents = {"cut": content[:-10], "flipped": flipped, "text": b"hello", "empty": b""}
    if damage != "gone":
        path.write_bytes(contents[damage])
    answer = digits("bench", cnn_files["fp32"], path, "--no-accuracy", "--samples", 1, "--out", tmp_path / "out")
    assert one_line(answer, 4).startswith(f"digits: {path}: ")
    assert not (tmp_path / "out").exists()


def test_wrong_data_exits_4(cnn_files: dict[str, Path], tmp_path: Path, invented: Dataset) -> None:
    """Damaged or missing data: the message names --no-accuracy. Data of other classes: it names both counts."""
    cut = tmp_path / "cut.npz"
    cut.write_bytes(write_npz(tmp_path / "whole.npz", arrays_of(invented)).read_bytes()[:500])
    few = invented.y_train < 4
    four = write_npz(
        tmp_path / "four.npz",
        {**arrays_of(invented), "x_train": invented.x_train[few], "y_train": invented.y_train[few], "y_test": invented.y_test % 4},
    )
    causes = {cut: "truncated", tmp_path / "gone": "no such file", four: "has 10 classes"}
    for path, cause in causes.items():
        message = one_line(digits("bench", cnn_files["int8"], "--data", path, "--out", tmp_path / "out"), 4)
        assert str(path) in message
        assert cause in message
        assert message.endswith("; or give --no-accuracy\n") == (path != four)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("m.tflite", "--samples", 0), "samples is 0, expected 1 to 1,000,000"),
        (("m.tflite", "--starts", 0), "starts is 0, expected 1 to 100"),
        (("m.tflite", "--batches", "8,x"), "'8,x' is not a list of numbers such as 1,2,4"),
        (("m.tflite", "--thread-sweep", "0"), "'0': expected numbers from 1 to 4,096"),
        (("m.tflite", "--pin", "-1"), "'-1': expected numbers from 0 to 4,096"),
        (("m.tflite", "--pin", "4096"), "--pin 4096: no such processor; available are "),
        (("m.tflite", "--threads", 0), "0 is not in the range 1<=x<=64"),
        (("m.tflite", "--seed", "x"), "'x' is not a valid integer"),
        (("m.tflite", "--fast"), "No such option"),
    ],
)
def test_wrong_usage_of_bench_exits_2(monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], message: str) -> None:
    """Before data or models are loaded."""
    monkeypatch.setattr("benchmarks.cli.load_dataset", _refuse_to_load)
    answer = digits("bench", *words)
    assert answer.code == 2
    assert message in answer.err


def test_an_unknown_backend_exits_2(cnn_files: dict[str, Path], tmp_path: Path) -> None:
    """The message lists the known ones."""
    answer = digits("bench", cnn_files["int8"], "--no-accuracy", "--backend", "magic", "--out", tmp_path)
    assert one_line(answer, 2) == "digits: unknown backend 'magic'; known are litert, tflite, tensorflow\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--samples", 0), "samples is 0, expected 1 to 1,000,000"),
        (("--epochs", 0), "0 is not in the range 1<=x<=10000"),
        (("--max-drop", 101), "101.0 is not in the range 0<=x<=100"),
        (("--seed", -1), "-1 is not in the range"),
    ],
)
def test_wrong_usage_of_pipeline_exits_2(monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], message: str) -> None:
    """Before the data is loaded."""
    monkeypatch.setattr("benchmarks.pipeline.cli.load_dataset", _refuse_to_load)
    answer = digits("pipeline", *words)
    assert answer.code == 2
    assert message in answer.err


def test_pipeline_on_data_that_cannot_be_used_exits_4(tmp_path: Path) -> None:
    """Before any stage runs."""
    message = one_line(digits("pipeline", "--data", tmp_path / "gone", "--out", tmp_path / "out"), 4)
    assert "no such file or folder" in message
    assert not (tmp_path / "out").exists()
