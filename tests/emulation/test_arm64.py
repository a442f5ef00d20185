"""The device package on emulated 64-bit Raspberry Pis, with both interpreters: `make test-arm64`.

What runs where: on a Pi 4 with each interpreter, what runs models and what looks at the machine. On the Pi 4 with one of them, what
is the same with the other: standard input, formats, drawings, help, imports. A Pi 3 has another processor, for which XNNPACK
chooses other kernels, and else runs the same code: there the golden images of every recipe, outputs bit for bit, and the shipped
models.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime import Classifier
from edge_runtime.model.model_file import read_model_file
from tests.conftest import ROOT
from train.config.config_file import RELEASED as NAMES
from train.data import Dataset

from . import checks
from .boards import HERE, PI3, PI4, Board, boot
from .devices import COMPARED, DIGITS, PACKAGES, Device, make_device
from .host import output_of

pytestmark = pytest.mark.arm64

each_board = pytest.mark.parametrize("board", [PI4, PI3], ids=lambda board: board.cpu)


def _on(board: Board, runtime: str) -> object:
    """A board with an interpreter, as a parameter; its tests run one after the other in one process."""
    name = f"{board.cpu}-{runtime}"
    return pytest.param((board, runtime), id=name)


@pytest.fixture(scope="module")
def released(mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the released models by every recipe."""
    from convert.evaluation.gate import Limits
    from convert.export import export
    from convert.quantization.recipes import RECIPES as ALL
    from convert.settings import ConversionSettings

    folder = tmp_path_factory.mktemp("released")
    for name in NAMES:
        model = ROOT / "train" / "releases" / f"{name}-seed0" / "model.keras"
        export(model, mnist, list(ALL.values()), folder, name=name, settings=ConversionSettings(Limits(5)))
    return folder


@pytest.fixture(scope="module", params=[_on(PI4, "litert")])
def pi4(request: pytest.FixtureRequest, unpacked_project: Path, shared: Path) -> Device:
    """A Pi 4 for what is the same with each interpreter."""
    board, runtime = request.param
    return make_device(board, runtime, unpacked_project, shared)


@pytest.fixture(scope="module", params=[_on(PI4, runtime) for runtime in sorted(PACKAGES)])
def device(request: pytest.FixtureRequest, unpacked_project: Path, shared: Path) -> Device:
    """A Pi 4 with the project, one interpreter and the shared folder."""
    board, runtime = request.param
    return make_device(board, runtime, unpacked_project, shared)


@pytest.fixture(scope="module", params=[_on(board, runtime) for board in (PI4, PI3) for runtime in sorted(PACKAGES)])
def either(request: pytest.FixtureRequest, unpacked_project: Path, shared: Path) -> Device:
    """The same, or a Pi 3: for what computes."""
    board, runtime = request.param
    return make_device(board, runtime, unpacked_project, shared)


def test_every_recipe_verifies(either: Device) -> None:
    """The golden images of every recipe's file go through the board's interpreter unharmed."""
    checks.every_recipe_verifies(either)


@pytest.mark.parametrize("runtime", sorted(PACKAGES))
def test_every_recipe_of_every_released_model_verifies(runtime: str, unpacked_project: Path, released: Path) -> None:
    """On a Pi 4, by both interpreters: all of them, as their manifests say."""
    found = make_device(PI4, runtime, unpacked_project, released).verified()
    package = {"litert": "ai-edge-litert", "tflite": "tflite-runtime"}[runtime]
    manifests = {path.name: read_model_file(path).manifest for path in released.glob("*.tflite")}
    stated = {name: package in manifest.minimum_runtime for name, manifest in manifests.items() if manifest}
    assert len(found) == len(NAMES) * 6
    assert {name: answer is True for name, answer in found.items()} == stated, found


def test_shipped_models_verify(either: Device) -> None:
    """All that the package has."""
    checks.shipped_models_verify(either, f"aarch64-{either.machine.board.cpu}")


def test_a_file_verifies(device: Device) -> None:
    """By the command."""
    checks.a_file_verifies(device)


def test_outputs_are_those_of_the_host(either: Device, cnn_files: Mapping[str, Path], mnist: Any) -> None:
    """int8 outputs equal x86-64's bit for bit with LiteRT, where XNNPACK runs; TFLite's differ by a step at most, and no label."""
    printed, found = either.outputs(cnn_files["int8"])
    host = Classifier.load(cnn_files["int8"], backend="litert").classify_batch(mnist.x_test[:COMPARED])
    steps = np.abs(found["outputs"].astype(int) - host.outputs.astype(int))
    assert printed["machine"] == "aarch64"
    assert (printed["last_operator"] == "DELEGATE") == (either.runtime == "litert")
    assert found["outputs"].shape == (COMPARED, 10)
    assert found["outputs"].dtype == host.outputs.dtype == np.int8
    assert np.array_equal(found["indices"], host.indices)
    assert steps.max() <= (0 if either.runtime == "litert" else 1)


def test_pictures_are_classified_with_the_shipped_model(pi4: Device, mnist: Any) -> None:
    """A folder with a broken file among the digits, CSV, and standard input."""
    checks.answers_a_folder(pi4, mnist)
    checks.answers_standard_input(pi4, mnist)


def test_a_photo_is_read(device: Device) -> None:
    """As on this host."""
    checks.reads_a_photo(device)


def test_photos_are_read(pi4: Device) -> None:
    """As on this host, drawings too."""
    checks.reads_photos(pi4)


def test_verify_writes_a_receipt(device: Device) -> None:
    """With the machine, the runtime and the outputs, which are the golden ones."""
    receipt = checks.writes_a_receipt(device)
    assert receipt["machine"] == "Linux aarch64"


def test_all_shipped_models_are_measured(pi4: Device) -> None:
    """With nothing but what is installed; the times of an emulated board mean nothing. tflite-runtime's turn is on the 32-bit board."""
    checks.measures_all_shipped_models(pi4)


def test_doctor_finds_no_problem(device: Device) -> None:
    """And really ran the interpreter that is there."""
    checks.doctor_is_content(device)


def test_import_stays_light(pi4: Device) -> None:
    """Importing the classifier works on a board and loads no interpreter, no Pillow, no click."""
    heavy = ["ai_edge_litert", "tflite_runtime", "PIL", "click"]
    code = f"import sys; from edge_runtime import Classifier; print([name for name in {heavy} if name in sys.modules])"
    assert pi4.machine.run(["python3", "-c", code]).strip() == "[]"


def test_help(pi4: Device) -> None:
    """`digits --help` works on a board and names the commands of the device."""
    said = pi4.machine.run([*DIGITS, "--help"])
    assert "classify" in said
    assert "verify" in said


@each_board
def test_a_board_says_what_it_is(board: Board) -> None:
    """The stand-in shows the board's processor where XNNPACK looks for it, and runs ARM code."""
    machine = boot(board)
    part = next(line.split()[-1] for line in (HERE / board.cpuinfo).read_text().splitlines() if line.startswith("CPU part"))
    assert part in machine.run(["cat", "/proc/cpuinfo"])
    assert machine.run(["uname", "-m"]).strip() == "aarch64"


@each_board
def test_the_hosts_mounts_are_left_alone(board: Board) -> None:
    """What a command mounts in its root is gone with it."""
    machine = boot(board)
    machine.run(["true"])
    assert str(machine.root) not in output_of(["cat", "/proc/mounts"])
