"""Trainings that choices were made by: `python -m tools.choices FOLDER` keeps what matters of every run in it.

The result, train/releases/choices.json, is what docs/training.md shows.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.files import write_file
from edge_runtime.records import from_json, to_json
from edge_runtime.statistics import Accuracy
from train.config import TrainingConfig
from train.runs import RECORD, read_record

CHOICES = Path(__file__).parents[1] / "train" / "releases" / "choices.json"


@dataclass(frozen=True)
class Trial:
    """One training that was looked at to choose. loss: cross-entropy on validation after the last epoch."""

    name: str
    config: TrainingConfig
    parameters: int
    validation: Accuracy
    loss: float
    seconds: float


@dataclass(frozen=True)
class Trials:
    """All of them, by name."""

    trials: tuple[Trial, ...]


def read_trials() -> tuple[Trial, ...]:
    """The committed ones."""
    return from_json(Trials, CHOICES.read_text()).trials


def _trial(path: Path) -> Trial:
    record = read_record(path)
    return Trial(path.parent.name, record.config, record.parameters, record.validation, record.history[-1].val_loss, record.seconds)


def main() -> None:
    """Add the runs of a folder to the committed ones."""
    known = {trial.name: trial for trial in (read_trials() if CHOICES.exists() else ())}
    known |= {path.parent.name: _trial(path) for path in sorted(Path(sys.argv[1]).glob(f"*/{RECORD}"))}
    write_file(CHOICES, to_json(Trials(tuple(known[name] for name in sorted(known))), indent=1) + "\n", force=True)


if __name__ == "__main__":
    main()
