"""Fixtures of the tests of `train`: one run, trained by the command, that several tests look at."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import Answer, digits


@dataclass(frozen=True)
class Run:
    """A run that `digits train` made, and what it printed."""

    folder: Path
    answer: Answer
    words: tuple[str, ...]


@pytest.fixture(scope="session")
def linear_run(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two epochs of the linear model with seed 3 on the invented digits, judged on the test images too."""
    runs = tmp_path_factory.mktemp("runs")
    words = ("train", "linear", "--epochs", 2, "--seed", 3, "--data", data_file, "--runs", runs, "--name", "first", "--test")
    return Run(runs / "first", digits(*words), tuple(map(str, words)))
