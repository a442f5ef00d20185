"""Every command of docs/guide.md, typed one after the other in an empty folder (`make test-guide`).

Commands that train or judge are given fewer training images than the embedded MNIST has, and all its test images, of which the gate needs
many: what they do is the same in a fifth of the time.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.samples import arrays_of, write_npz
from train.data import Dataset
from train.loop.threads import THREAD_VARIABLES

GUIDE = (ROOT / "docs" / "guide.md").read_text()
TAKING_DATA = {"train", "compare", "experiment", "convert", "bench"}
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
def test_every_command_works(mnist: Dataset, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each exits 0, and the two that classify answer 7 for the seven."""
    few = Dataset("few", mnist.x_train[:12_000], mnist.y_train[:12_000], mnist.x_test, mnist.y_test)
    data = write_npz(tmp_path_factory.mktemp("data") / "few.npz", arrays_of(few))
    printed = {}
    for command in COMMANDS:
        program, *words = shlex.split(command)
        assert program == "digits"
        if words[0] in TAKING_DATA:
            words += ["--data", str(data)]
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
