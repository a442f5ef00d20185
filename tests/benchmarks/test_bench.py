"""A benchmark run as a library call: settings, progress, the machine, and what does not fit together."""

from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks import bench, machine
from benchmarks.bench import Settings, run, total_steps
from benchmarks.machine import default_board_name, this_machine
from benchmarks.results import BenchResult
from edge_runtime.errors import BadArgument, InputError, ModelFileError
from edge_runtime.interpreter import BACKENDS, backend_version
from edge_runtime.model_file import read_model_file
from tests.benchmarks.samples import MACHINE
from train.data import Dataset


@pytest.fixture
def no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cold starts of invented times and an invented machine: those have tests of their own."""
    monkeypatch.setattr(bench, "cold_start", lambda *_: (2_000, 1_000))
    monkeypatch.setattr(bench, "this_machine", lambda *_: MACHINE)


@pytest.mark.parametrize("samples", [0, -1, 1_000_001])
def test_an_absurd_number_of_samples_is_refused(samples: int) -> None:
    """The message says how many are accepted."""
    with pytest.raises(BadArgument, match=f"^samples is {samples}, expected 1 to 1,000,000$"):
        Settings("board", samples)


@pytest.mark.usefixtures("no_children")
def test_progress_is_told_of_every_part(cnn_files: dict[str, Path]) -> None:
    """Three cold starts and one accuracy a model, and each round of measuring; as often as promised."""
    settings, told = Settings("board", samples=60), []
    run([cnn_files["int8"], cnn_files["fp32"]], settings, None, told.append)
    assert told == ["cold start"] * 6 + ["latency"] * 2 + ["accuracy"] * 2
    assert len(told) == total_steps(2, settings)


@pytest.mark.usefixtures("no_children")
def test_without_data_there_is_no_accuracy(cnn_files: dict[str, Path]) -> None:
    """Times and sizes alone; nothing claims to know a data set."""
    result = run([cnn_files["int8"]], Settings("board", samples=3), None)
    assert isinstance(result, BenchResult)
    assert (result.split, result.data_sha256, result.models[0].accuracy) == ("", "", None)
    assert (len(result.models[0].steady_ns), result.models[0].load_ns) == (3, (2_000,) * 3)


@pytest.mark.usefixtures("no_children")
def test_a_plain_tflite_is_measured_too(cnn_files: dict[str, Path], tmp_path: Path) -> None:
    """It goes by its file's name, and its recipe is unknown."""
    path = tmp_path / "stranger.tflite"
    path.write_bytes(read_model_file(cnn_files["fp32"]).flatbuffer)
    (model,) = run([path], Settings("board", samples=1), None).models
    assert (model.name, model.recipe, model.file_bytes) == ("stranger", "unknown", path.stat().st_size)


def test_a_model_of_other_classes_than_the_data_is_refused(cnn_files: dict[str, Path], invented: Dataset) -> None:
    """Before anything is measured; the message names both counts."""
    kept, tested = invented.y_train < 9, invented.y_test < 9
    nine = Dataset("nine", invented.x_train[kept], invented.y_train[kept], invented.x_test[tested], invented.y_test[tested])
    with pytest.raises(InputError, match=f"^{cnn_files['int8']}: knows 10 classes, nine has 9$"):
        run([cnn_files["int8"]], Settings("board"), nine, lambda _: pytest.fail("something was measured"))


def test_a_missing_model_is_refused(cnn_files: dict[str, Path], tmp_path: Path) -> None:
    """Before the first one is measured."""
    with pytest.raises(ModelFileError, match=r"gone.*cannot be read"):
        run([cnn_files["int8"], tmp_path / "gone"], Settings("board"), None, lambda _: pytest.fail("something was measured"))


def test_the_facts_of_this_machine_are_its_own() -> None:
    """Cores, memory and versions as the system tells them; a share of business within its range."""
    found = this_machine("desk", BACKENDS["litert"])
    assert (found.board, found.memory_bytes, found.numpy) == ("desk", psutil.virtual_memory().total, np.__version__)
    assert found.runtime == f"ai-edge-litert {backend_version(BACKENDS['litert'])}"
    assert 1 <= found.cores <= 1_024
    assert 0 <= found.busy_percent <= 100
    assert found.cpu


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"/proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0"}, "Raspberry Pi 4 Model B Rev 1.4"),
        ({}, "riscv64"),
    ],
)
def test_a_board_has_its_own_name_or_its_architectures(monkeypatch: pytest.MonkeyPatch, files: dict[str, str], name: str) -> None:
    """A Raspberry Pi says what it is, ended by a zero byte; others do not."""
    monkeypatch.setattr(machine, "_first_line", lambda path: files.get(str(path), ""))
    monkeypatch.setattr(machine.platform, "machine", lambda: "riscv64")
    assert default_board_name() == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor : 0\nmodel name\t: Intel(R) Xeon(R) CPU\nflags : x\n", "Intel(R) Xeon(R) CPU"),
        ("processor : 0\nBogoMIPS : 108.00\n\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n", "Raspberry Pi 4 Model B Rev 1.4"),
        ("processor : 0\n", "riscv64"),
    ],
)
def test_the_processor_goes_by_what_linux_calls_it(monkeypatch: pytest.MonkeyPatch, text: str, name: str) -> None:
    """The files of x86-64 and of a Raspberry Pi differ."""
    monkeypatch.setattr(machine.Path, "read_text", lambda _: text)
    monkeypatch.setattr(machine.platform, "machine", lambda: "riscv64")
    assert machine.cpu_name() == name
