"""The tests of edge_runtime in environments as on a device: each Python, with LiteRT from the oldest to the newest, without TensorFlow.

The server's own tests need more than a device has (tritonclient, selenium) and stay in `make test`.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .environments import Environment, make_environment

pytestmark = pytest.mark.venvs

# 3.11 with the newest is what `make test` runs in.
ENVIRONMENTS = (
    Environment("3.11", "litert", ("ai-edge-litert==1.4.0",)),
    Environment("3.12", "litert", ("ai-edge-litert==2.0.2",)),
    Environment("3.13", "litert"),
)
DEVICE = ("ai-edge-litert>=1.4,<3", "numpy>=1.24", "click>=8.1", "Pillow>=9.4")
OF_TESTS = (
    "pytest>=8",
    "pytest-timeout",
    "pytest-randomly",
    "hypothesis>=6.100",
    "filelock>=3.15",
    "scipy",
    "pyarrow>=14",
    "distributed>=2024.1",
)


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_the_device_tests_pass(environment: Environment, cnn_files: dict[str, Path], tmp_path: Path) -> None:
    """All of tests/edge_runtime that is in the default suite and needs no TensorFlow; none is skipped."""
    python = make_environment(tmp_path / "venv", environment.python, *DEVICE, *OF_TESTS, *environment.pinned) / "python"
    variables = {"PYTHONPATH": str(ROOT), "EDGE_DIGITS_CNN_FILES": str(cnn_files["int8"].parent), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [
        "-m",
        "not extras and not slow and not sweep",
        "-p",
        "no:cacheprovider",
        "--ignore",
        "tests/edge_runtime/serving",
        "-rs",
    ]
    command = [python, "-m", "pytest", *words, "tests/edge_runtime"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-1_000:]
    assert "SKIPPED" not in done.stdout
    assert len(re.findall(r"^\.", done.stdout, re.MULTILINE)) >= 4  # lines of 72 dots
