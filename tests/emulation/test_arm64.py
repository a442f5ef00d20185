"""The device package on emulated 64-bit Raspberry Pis, with both interpreters: `make test-arm64`."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_runtime import Classifier
from edge_runtime.model_file import read_model_file
from tests.conftest import ROOT
from tools import wheelhouse
from train.config_file import RELEASED as NAMES

from .boards import HERE, PI3, PI4, Board, Machine, boot, cached_folder
from .host import output_of

pytestmark = pytest.mark.arm64

COMPARED = 500
"""Test images whose outputs must be those of this host."""
PICTURES = 5
RECIPES = ("fp32", "fp16", "dynamic", "int8", "int16x8", "int4")
DIGITS = ("python3", "-m", "edge_runtime.cli")
ON_DEVICE = "/opt/on_device.py"
VERIFY_ALL = "/opt/verify_all.py"
SHARED = "/mnt/shared"
RELEASED = "/mnt/released"

PACKAGES = {
    "litert": [f"{name}=={version(name)}" for name in ("ai-edge-litert", "numpy", "click", "pillow")],
    "tflite": ["tflite-runtime==2.14.0", "numpy==1.26.4", "click", "pillow"],
}
"""What stands beside the project on a board. LiteRT in this host's version, since outputs are compared with this host's."""


@dataclass(frozen=True)
class Device:
    """An emulated board with the project, one interpreter and the shared folder."""

    machine: Machine
    runtime: str
    shared: Path
    """The host's side of SHARED."""

    def json(self, *arguments: str) -> dict[str, Any]:
        """The one JSON object that a `digits` command prints."""
        answer: dict[str, Any] = json.loads(self.machine.run([*DIGITS, *arguments]))
        return answer

    def outputs(self, model: Path) -> tuple[dict[str, str], Mapping[str, np.ndarray]]:
        """What on_device.py prints for a model of the shared folder, and the arrays that it saves."""
        saved = f"outputs-{self.machine.board.name}-{self.runtime}.npz"
        arguments = [f"{SHARED}/{model.name}", f"{SHARED}/images.npy", f"{SHARED}/{saved}", self.runtime]
        printed: dict[str, str] = json.loads(self.machine.run(["python3", ON_DEVICE, *arguments]))
        return printed, np.load(self.shared / saved)


def site_folder(runtime: str) -> Path:
    """A folder for PYTHONPATH with the aarch64 wheels of one interpreter and of what the project needs beside it."""
    options = wheelhouse.pip_options(wheelhouse.TARGETS["pi64-bookworm"])

    def install(folder: Path) -> None:
        wheelhouse.run_python("-m", "pip", "install", "--target", str(folder), *options, *PACKAGES[runtime])

    return cached_folder(f"site-{runtime}", {"packages": PACKAGES[runtime], "options": options}, install)


@pytest.fixture(scope="module")
def shared(cnn_files: Mapping[str, Path], mnist: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the CNN's files, the images to compare, and some of them as pictures."""
    folder = tmp_path_factory.mktemp("shared")
    for file in cnn_files.values():
        shutil.copy2(file, folder)
    np.save(folder / "images.npy", mnist.x_test[:COMPARED])
    for position in range(PICTURES):
        Image.fromarray(mnist.x_test[position]).save(folder / f"digit-{position}.png")
    return folder


@pytest.fixture(scope="module")
def released(mnist: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the released models by every recipe."""
    from convert.export import export
    from convert.gate import Limits
    from convert.recipes import RECIPES as ALL
    from convert.settings import ConversionSettings

    folder = tmp_path_factory.mktemp("released")
    for name in NAMES:
        model = ROOT / "train" / "releases" / f"{name}-seed0" / "model.keras"
        export(model, mnist, list(ALL.values()), folder, name=name, settings=ConversionSettings(Limits(5)))
    return folder


@pytest.fixture(scope="module", params=[PI4, PI3], ids=lambda board: board.cpu)
def board(request: pytest.FixtureRequest) -> Board:
    """A 64-bit Raspberry Pi."""
    chosen: Board = request.param
    return chosen


@pytest.fixture(scope="module", params=sorted(PACKAGES))
def device(request: pytest.FixtureRequest, board: Board, unpacked_project: Path, shared: Path) -> Device:
    """The board with the project, one interpreter and the shared folder."""
    runtime: str = request.param
    mounts = {
        "/opt/project": unpacked_project,
        "/opt/site": site_folder(runtime),
        ON_DEVICE: HERE / "on_device.py",
        SHARED: shared,
    }
    environment = {"PYTHONPATH": "/opt/project:/opt/site"}
    return Device(boot(board, mounts, environment), runtime, shared)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_verifies(device: Device, cnn_files: Mapping[str, Path], recipe: str) -> None:
    """`digits verify` runs the golden images of every recipe's file through the board's interpreter and finds them unharmed."""
    receipt = device.json("verify", f"{SHARED}/{cnn_files[recipe].name}", "--json")
    assert receipt["passed"] is True
    assert device.runtime in receipt["runtime"]


@pytest.mark.parametrize("runtime", sorted(PACKAGES))
def test_every_recipe_of_every_released_model_verifies(runtime: str, unpacked_project: Path, released: Path) -> None:
    """On a Pi 4, by both interpreters: all of them, as their manifests say."""
    mounts = {
        "/opt/project": unpacked_project,
        "/opt/site": site_folder(runtime),
        VERIFY_ALL: HERE / "verify_all.py",
        RELEASED: released,
    }
    machine = boot(PI4, mounts, {"PYTHONPATH": "/opt/project:/opt/site"})
    found = json.loads(machine.run(["python3", VERIFY_ALL, RELEASED, runtime]))
    package = {"litert": "ai-edge-litert", "tflite": "tflite-runtime"}[runtime]
    manifests = {path.name: read_model_file(path).manifest for path in released.glob("*.tflite")}
    stated = {name: package in manifest.minimum_runtime for name, manifest in manifests.items() if manifest}
    assert len(found) == len(NAMES) * 6
    assert {name: answer is True for name, answer in found.items()} == stated, found


def test_outputs_are_those_of_the_host(device: Device, cnn_files: Mapping[str, Path], mnist: Any) -> None:
    """int8 outputs equal x86-64's bit for bit with LiteRT, where XNNPACK runs; TFLite's differ by a step at most, and no label."""
    printed, found = device.outputs(cnn_files["int8"])
    host = Classifier.load(cnn_files["int8"], backend="litert").classify_batch(mnist.x_test[:COMPARED])
    steps = np.abs(found["outputs"].astype(int) - host.outputs.astype(int))
    assert printed["machine"] == "aarch64"
    assert (printed["last_operator"] == "DELEGATE") == (device.runtime == "litert")
    assert found["outputs"].shape == (COMPARED, 10)
    assert found["outputs"].dtype == host.outputs.dtype == np.int8
    assert np.array_equal(found["indices"], host.indices)
    assert steps.max() <= (0 if device.runtime == "litert" else 1)


def test_pictures_are_classified_with_the_shipped_model(device: Device, mnist: Any) -> None:
    """`digits classify` reads PNG files and answers rightly with the model that the package ships."""
    pictures = [f"{SHARED}/digit-{position}.png" for position in range(PICTURES)]
    printed = device.machine.run([*DIGITS, "classify", *pictures, "--json"])
    answers = [json.loads(line) for line in printed.splitlines()]
    assert [answer["source"] for answer in answers] == pictures
    assert [answer["label"] for answer in answers] == [str(label) for label in mnist.y_test[:PICTURES]]


def test_import_stays_light(device: Device) -> None:
    """`import edge_runtime` works on a board and loads no interpreter, no Pillow, no click."""
    heavy = ["ai_edge_litert", "tflite_runtime", "PIL", "click"]
    code = f"import sys, edge_runtime; print([name for name in {heavy} if name in sys.modules], edge_runtime.__file__)"
    assert device.machine.run(["python3", "-c", code]).split(" ", 1)[0] == "[]"


def test_help(device: Device) -> None:
    """`digits --help` works on a board and names the commands of the device."""
    said = device.machine.run([*DIGITS, "--help"])
    assert "classify" in said
    assert "verify" in said


def test_a_board_says_what_it_is(board: Board) -> None:
    """The stand-in shows the board's processor where XNNPACK looks for it, and runs ARM code."""
    machine = boot(board)
    part = next(line.split()[-1] for line in (HERE / board.cpuinfo).read_text().splitlines() if line.startswith("CPU part"))
    assert part in machine.run(["cat", "/proc/cpuinfo"])
    assert machine.run(["uname", "-m"]).strip() == "aarch64"


def test_the_hosts_mounts_are_left_alone(board: Board) -> None:
    """What a command mounts in its root is gone with it."""
    machine = boot(board)
    machine.run(["true"])
    assert str(machine.root) not in output_of(["cat", "/proc/mounts"])
