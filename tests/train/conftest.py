"""Fixtures of the tests of `train`: runs of the command, shared by several tests."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from tests.commands import Answer, digits
from tools.support.waiting import PATIENCE
from train.config.training_config import Augmentation, TrainingConfig, parse_convolutions
from train.loop.progress import Progress

# A small network with every switch on, so that whatever a run has to remember is there: state of the optimiser, average, statistics, views.
RECIPE = TrainingConfig(
    "cnn",
    convolutions=parse_convolutions("4k5s4,8k3s2"),
    epochs=3,
    optimizer="adamw",
    warmup=1,
    weight_decay=0.01,
    label_smoothing=0.1,
    averaging=0.9,
    augmentation=Augmentation(rotation=10, shift=2, elastic=1),
)
RECIPE_WORDS = (
    *(
        "train",
        "cnn",
        "--convolutions",
        "4k5s4,8k3s2",
        "--epochs",
        "3",
        "--optimizer",
        "adamw",
        "--warmup",
        "1",
        "--weight-decay",
        "0.01",
    ),
    *("--label-smoothing", "0.1", "--averaging", "0.9", "--augment", "rotation=10,shift=2,elastic=1"),
)
STOPPED_AT = 13  # batches: four into the second epoch of nine

# `digits` in a process of its own, that says "here" after a number of batches and then waits for a signal.
_WAITING = """
import signal, sys, time
from edge_runtime.cli import main
from train.loop import progress, trainer

signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored where tests run, in the background of a shell

class Waiting(progress.Progress):
    left = int(sys.argv[1])

    def step(self, batches=1):
        super().step(batches)
        Waiting.left -= 1
        if Waiting.left == 0:
            before = signal.getsignal(signal.SIGINT)
            print("here", flush=True)
            while signal.getsignal(signal.SIGINT) is before:
                time.sleep(0.02)

trainer.Progress = Waiting
main(sys.argv[2:], prog_name="digits")
"""


def interrupting(stops: set[int]) -> type[Progress]:
    """Progress that sends SIGINT at some batches."""

    class Interrupting(Progress):
        done = 0

        def step(self, batches: int = 1) -> None:
            super().step(batches)
            Interrupting.done += 1
            if Interrupting.done in stops:
                signal.raise_signal(signal.SIGINT)

    return Interrupting


@pytest.fixture
def listening() -> Iterator[None]:
    """SIGINT is not ignored, even if tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class Run:
    """A run of `digits train`, and its output."""

    folder: Path
    answer: Answer
    words: tuple[str, ...]

    def copy(self, runs: Path) -> "Run":
        """A copy of the run in another folder, for a test that changes it."""
        folder = runs / self.folder.name
        shutil.copytree(self.folder, folder)
        return Run(folder, self.answer, tuple(str(runs) if word == str(self.folder.parent) else word for word in self.words))


@pytest.fixture(scope="session")
def linear_run(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two epochs of the linear model with seed 3 on the invented digits, with --test."""
    runs = tmp_path_factory.mktemp("runs")
    words = ("train", "linear", "--epochs", 2, "--seed", 3, "--data", data_file, "--runs", runs, "--name", "first", "--test")
    return Run(runs / "first", digits(*words), tuple(map(str, words)))


def _recipe_words(data_file: Path, runs: Path) -> tuple[str, ...]:
    return (*RECIPE_WORDS, "--data", str(data_file), "--runs", str(runs))


@pytest.fixture(scope="session")
def whole_run(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`RECIPE`, trained without interruption."""
    folder, answers = commands_once(tmp_path_factory, "whole", lambda folder: {"": digits(*_recipe_words(data_file, folder))})
    return Run(folder / "cnn", answers[""], _recipe_words(data_file, folder))


@pytest.fixture(scope="session")
def broken_runs(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """`RECIPE` in two processes, stopped by SIGINT and SIGKILL after `STOPPED_AT` batches."""

    def make(folder: Path) -> dict[str, Answer]:
        children = {name: _start(_recipe_words(data_file, folder / name)) for name in ("SIGINT", "SIGKILL")}
        return {name: _end(child, name) for name, child in children.items()}

    folder, answers = commands_once(tmp_path_factory, "broken", make)
    return {name: Run(folder / name / "cnn", answer, _recipe_words(data_file, folder / name)) for name, answer in answers.items()}


def commands_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], dict[str, Answer]]
) -> tuple[Path, dict[str, Answer]]:
    """A folder and the output of the commands that filled it, shared by all workers of pytest-xdist: one creates it, the others wait."""
    base = factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / name
    folder.mkdir(exist_ok=True)
    answers = folder / "answers.json"
    with FileLock(f"{folder}.lock"):
        if not answers.exists():
            answers.write_text(json.dumps(make(folder)))
    return folder, {key: Answer(*answer) for key, answer in json.loads(answers.read_text()).items()}


def _start(words: tuple[str, ...]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _WAITING, str(STOPPED_AT), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def _end(child: "subprocess.Popen[str]", name: str) -> Answer:
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n", child.communicate()
    os.kill(child.pid, signal.Signals[name])
    out, err = child.communicate(timeout=PATIENCE)
    return Answer(child.returncode, out, err)
