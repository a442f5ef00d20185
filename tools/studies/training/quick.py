"""Times `digits train cnn --quick` on an idle machine, and judges what it trained: `python -m tools.studies.training.quick`.

Each seed is a process of its own with all cores. The int8 file is made and asked as those of released models are, by plain ai-edge-litert.
The result, train/releases/quick.json, is what docs/results/training.md shows.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.system.info import cpu_name
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.intervals import Accuracy, accuracy_of
from edge_runtime.common.json_codec import read_json, to_json
from edge_runtime.errors import DigitsError
from tools.release.evaluate import plain_answers
from tools.release.layout import run
from train.data import Dataset, load_dataset
from train.runs.store import MODEL, RECORD, read_record

QUICK = Path(__file__).parents[3] / "train" / "releases" / "quick.json"
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class QuickRun:
    """One run. training_seconds: as its record says; command_seconds: with Python, TensorFlow and the plots. test: of its int8 file."""

    seed: int
    training_seconds: float
    command_seconds: float
    validation: Accuracy
    test: Accuracy


@dataclass(frozen=True)
class QuickTiming:
    """All of them, and where they were timed."""

    machine: str
    cores: int
    runs: tuple[QuickRun, ...]


def main() -> None:
    """Train, judge, write."""
    data = load_dataset()
    with TemporaryDirectory() as place:
        runs = tuple(_run(seed, data, Path(place)) for seed in SEEDS)
    write_file(QUICK, to_json(QuickTiming(cpu_name(), len(os.sched_getaffinity(0)), runs), indent=1) + "\n", force=True)


def read_quick() -> QuickTiming:
    """The committed result."""
    return read_json(QuickTiming, QUICK)


def _run(seed: int, data: Dataset, place: Path) -> QuickRun:
    name = f"quick-seed{seed}"
    command = [sys.executable, "-m", "edge_runtime.cli", "train", "cnn", "--quick", "--seed", str(seed), "--runs", str(place)]
    started = time.perf_counter()
    child = subprocess.run([*command, "--name", name], check=False)
    seconds = time.perf_counter() - started
    if child.returncode:
        raise DigitsError(f"the training of seed {seed} ended with {child.returncode}")

    from convert.export import export  # loads TensorFlow
    from convert.quantization.recipes import find_recipe

    (conversion,) = export(place / name / MODEL, data, [find_recipe("int8")], place).conversions
    answers = plain_answers(conversion.content, data.test.images)
    record = read_record(place / name / RECORD)
    return QuickRun(seed, record.seconds, seconds, record.validation, accuracy_of(answers, data.test.labels))


if __name__ == "__main__":
    run(main)
