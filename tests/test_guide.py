"""Every command of docs/guide.md, typed one after the other in an empty folder (`make test-guide`)."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from train.loop.threads import THREAD_VARIABLES

GUIDE = (ROOT / "docs" / "guide.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}  # all cores, as for a reader


def test_the_guide_goes_the_way_of_the_notebook() -> None:
    """Its steps are there, in order."""
    headings = re.findall(r"^## \d+\. (.*)$", GUIDE, re.MULTILINE)
    assert headings == [
        "Load",
        "Look",
        "Preprocess",
        "Build, compile, train",
        "Evaluate",
        "Experiment",
        "Convert",
        "On the device",
        "Measure",
    ]


@pytest.mark.guide
def test_every_command_works(tmp_path: Path) -> None:
    """Each exits 0, and the two that classify answer 7 for the seven."""
    printed = {}
    for command in COMMANDS:
        program, *words = shlex.split(command)
        assert program == "digits"
        done = subprocess.run(
            [sys.executable, "-m", "edge_runtime.cli", *words],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        printed[command] = done.stdout
    assert "digits/7.png: 7 " in printed["digits classify digits/7.png --model runs/cnn/cnn-int8.tflite"]
    assert printed["digits classify digits --json"].count("\n") == 10


@pytest.mark.guide
def test_the_program_in_the_guide_works(tmp_path: Path) -> None:
    """Its lines, with the shipped model and an image in front of them."""
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    program = program.replace('Classifier.load("runs/cnn/cnn-int8.tflite")', "Classifier.load()")
    setup = "from train.data import load_dataset\nimage = load_dataset().x_test[0]\n"
    done = subprocess.run([sys.executable, "-c", setup + program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("7 0.9")
