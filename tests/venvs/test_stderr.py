"""What commands of a device print on stderr, by every runtime: nothing; with -v what the interpreter itself says."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edge_runtime.model.model_file import read_model_file
from edge_runtime.preprocessing.image_files import png_bytes
from tests.conftest import ROOT
from train.data import Dataset

from .environments import make_environment

pytestmark = pytest.mark.venvs

CHATTER = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
RUNTIMES = ("ai-edge-litert==1.4.0", "ai-edge-litert==2.0.3", "ai-edge-litert==2.3.0", "tflite-runtime==2.14.0", "tensorflow")
# tflite-runtime hands float models alone to XNNPACK.
COMMANDS = (
    "classify {folder}/0.png",
    "classify {folder} --threads 2",
    "classify {folder}/0.png --model {folder}/plain.tflite",
    "verify",
    "verify base-fp32 --threads 2",
    "tune --model base-fp32",
    "doctor",
)
WITH_TENSORFLOW = {
    COMMANDS[0],
    COMMANDS[2],
    "doctor",
}  # in this process, in a child, and both; the other commands load models alike


@pytest.fixture(scope="module", params=[pytest.param(name) for name in RUNTIMES])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A runtime, and a Python that has it: of an environment of its own, or for tf.lite this one."""
    wanted: str = request.param
    if wanted == "tensorflow":
        return wanted, Path(sys.executable)
    numpy = "numpy<2" if wanted.startswith("tflite") else "numpy"
    return wanted, make_environment(tmp_path_factory.mktemp("venv") / "venv", "3.11", wanted, numpy, "click", "Pillow") / "python"


@pytest.fixture(scope="module")
def folder(mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two digits and a plain model."""
    made = tmp_path_factory.mktemp("folder")
    for number in range(2):
        (made / f"{number}.png").write_bytes(png_bytes(mnist.x_test[number]))
    (made / "plain.tflite").write_bytes(read_model_file().flatbuffer)
    return made


def _digits(python: Path, words: str, *options: str, cache: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(python), "-m", "edge_runtime.cli", *options, *words.split()]
    variables = {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, cwd="/", env={**os.environ, **variables}, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_stderr_is_quiet_unless_verbose(command: str, runtime: tuple[str, Path], folder: Path, tmp_path: Path) -> None:
    """Of what runs in this process and of what runs in a child, such as a plain model or doctor's trials."""
    name, python = runtime
    if name == "tensorflow" and command not in WITH_TENSORFLOW:
        pytest.skip("loads TensorFlow, which takes seconds, as another command does")
    words = command.format(folder=folder)
    if name == "tensorflow" and command != "doctor":
        words += " --backend tensorflow"
    quiet, loud = (_digits(python, words, *options, cache=tmp_path) for options in ((), ("-v",)))
    warning = "digits: plain is a plain .tflite: nothing states its labels or proves its accuracy\n" if "plain" in command else ""
    lines = [line for line in quiet.stderr.splitlines(keepends=True) if not line.startswith("digits: ")]
    assert lines == [], quiet.stderr
    assert warning in quiet.stderr
    assert quiet.stdout.strip()
    assert quiet.returncode == loud.returncode
    assert (CHATTER in loud.stderr) == (not name.startswith("tflite") or "fp32" in words)


def test_a_runtime_for_another_python_is_told_by_doctor(tmp_path: Path) -> None:
    """tflite-runtime's wheel for Python 3.11 unpacked into a Python 3.12: what it said, and what to install instead."""
    place = make_environment(tmp_path / "venv", "3.12", "numpy<2", "click", "Pillow")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11"]
    subprocess.run([*pip, "--dest", str(tmp_path), "tflite-runtime==2.14.0"], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    (site,) = (tmp_path / "venv" / "lib").glob("python3.12/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    done = _digits(place / "python", "doctor", cache=tmp_path)
    assert done.returncode == 1
    assert "it has no wheel for Python 3.12 or newer" in done.stdout
    assert "/bin/python -m pip install '.[litert]'" in done.stdout
    assert done.stderr == "digits: 1 problem: tflite-runtime\n"
