"""The device package on an emulated 32-bit Raspberry Pi 2 with Debian's numpy and tflite-runtime's armv7 wheel: `make test-armv7`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime import Classifier

from . import checks
from .boards import PI2
from .devices import COMPARED, Device, make_device

pytestmark = pytest.mark.armv7


@pytest.fixture(scope="module")
def device(unpacked_project: Path, shared: Path) -> Device:
    """The board with the project, tflite-runtime and the shared folder."""
    return make_device(PI2, "tflite", unpacked_project, shared)


def test_the_board_is_of_32_bits(device: Device) -> None:
    """It runs 32-bit ARM code, with the numpy and the Pillow of Debian Bookworm."""
    code = "import platform, struct, numpy, PIL; print(platform.machine(), struct.calcsize('P'), numpy.__version__, PIL.__file__)"
    machine, size, numpy, pillow = device.machine.run(["python3", "-c", code]).split()
    assert (machine, size, numpy.rpartition(".")[0]) == ("armv7l", "4", "1.24")
    assert pillow.startswith("/usr/lib/python3/dist-packages/")


def test_every_recipe_verifies(device: Device) -> None:
    """The golden images of every recipe's file go through the board's interpreter unharmed."""
    checks.every_recipe_verifies(device)


def test_shipped_models_verify(device: Device) -> None:
    """All that the package has."""
    checks.shipped_models_verify(device, "armv7-cortex-a7")


def test_a_file_verifies(device: Device) -> None:
    """By the command."""
    checks.a_file_verifies(device)


def test_outputs_are_those_of_the_host(device: Device, cnn_files: Mapping[str, Path], mnist: Any) -> None:
    """int8 outputs differ from x86-64's by a step at most, and no label does."""
    printed, found = device.outputs(cnn_files["int8"])
    host = Classifier.load(cnn_files["int8"], backend="litert").classify_batch(mnist.x_test[:COMPARED])
    assert printed["machine"] == "armv7l"
    assert found["outputs"].shape == (COMPARED, 10)
    assert np.array_equal(found["indices"], host.indices)
    assert np.abs(found["outputs"].astype(int) - host.outputs.astype(int)).max() <= 1


def test_pictures_are_classified_with_the_shipped_model(device: Device, mnist: Any) -> None:
    """A folder with a broken file among the digits, and CSV; standard input, where bits do not matter, is tried on the Pi 4."""
    checks.answers_a_folder(device, mnist)


def test_photos_are_read(device: Device) -> None:
    """As on this host, drawings too."""
    checks.reads_photos(device)


def test_verify_writes_a_receipt(device: Device) -> None:
    """With the machine, the runtime and the outputs, which are the golden ones."""
    assert checks.writes_a_receipt(device)["machine"] == "Linux armv7l"


def test_all_shipped_models_are_measured(device: Device) -> None:
    """With nothing but what is installed; the times of an emulated board mean nothing."""
    checks.measures_all_shipped_models(device)


def test_doctor_finds_no_problem(device: Device) -> None:
    """And really ran the interpreter that is there."""
    checks.doctor_is_content(device)
