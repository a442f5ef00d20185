"""The tests of edge_runtime in environments as on a device: each Python, with LiteRT from the oldest to the newest, without TensorFlow.

`make test` runs all of them on Python 3.11 with the newest LiteRT. Here the newest Python runs all of them again; older releases of
LiteRT run those that load models, run them or look at the machine, since pictures, files and text never meet an interpreter. The
server's own tests need more than a device has (tritonclient, selenium) and stay in `make test`.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .environments import Environment, make_environment

pytestmark = pytest.mark.venvs

ALL = ("tests/edge_runtime",)
WITH_MODELS = tuple(f"tests/edge_runtime/{name}" for name in ("device", "inference", "model", "test_api.py", "test_cli.py"))
ENVIRONMENTS = {
    Environment("3.11", "litert", ("ai-edge-litert==1.4.0",)): WITH_MODELS,
    Environment("3.12", "litert", ("ai-edge-litert==2.0.2",)): WITH_MODELS,
    Environment("3.13", "litert"): ALL,
}
DEVICE = ("ai-edge-litert>=1.4,<3", "numpy>=1.24", "click>=8.1", "Pillow>=9.4")
OF_TESTS = (
    "pytest>=8",
    "pytest-timeout",
    "pytest-randomly",
    "hypothesis>=6.100",
    "filelock>=3.15",
    "scipy",
)
OF_FILES = ("pyarrow>=14", "distributed>=2024.1")  # what the other tests need too


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_the_device_tests_pass(environment: Environment, cnn_files: dict[str, Path], tmp_path: Path) -> None:
    """Those of the default suite that need no TensorFlow; none is skipped."""
    tests = ENVIRONMENTS[environment]
    wanted = (*DEVICE, *OF_TESTS, *(OF_FILES if tests == ALL else ()), *environment.pinned)
    python = make_environment(tmp_path / "venv", environment.python, *wanted) / "python"
    variables = {
        "PYTHONPATH": str(ROOT),
        "EDGE_DIGITS_CNN_FILES": str(cnn_files["int8"].parent),
        "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode"),
    }
    words = [
        "-m",
        "not extras and not slow and not ssh and not sweep",
        "-p",
        "no:cacheprovider",
        "--ignore",
        "tests/edge_runtime/serving",
        "-rs",
    ]
    command = [python, "-m", "pytest", *words, *tests]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-1_000:]
    assert "SKIPPED" not in done.stdout
    assert len(re.findall(r"^\.", done.stdout, re.MULTILINE)) >= 4  # lines of 72 dots
