"""Trainings that choices were made by: `python -m tools.studies.training.choices FOLDER` keeps what matters of every run in it.

The result, train/releases/choices.json, is what docs/results/training.md shows.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.json_codec import read_json, to_json
from tools.release.layout import run
from tools.studies.training.calibrated import loss_of
from train.config.training_config import TrainingConfig
from train.data import Dataset, load_dataset
from train.runs.store import MODEL, RECORD, read_record

CHOICES = Path(__file__).parents[3] / "train" / "releases" / "choices.json"


@dataclass(frozen=True)
class Trial:
    """One training that was looked at to choose. loss: `calibrated_loss` on validation."""

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
    return read_json(Trials, CHOICES).trials


def _trial(path: Path, data: Dataset) -> Trial:
    record, loss = read_record(path), loss_of(path.with_name(MODEL), data.validation)
    return Trial(path.parent.name, record.config, record.parameters, record.validation, loss, record.seconds)


def main() -> None:
    """Add the finished runs of a folder to the committed ones."""
    parser = argparse.ArgumentParser(prog="python -m tools.studies.training.choices", description="Keep what matters of trials.")
    parser.add_argument("folder", type=Path, help="whose folders are runs, called NAME-SOMETHING after the model that they are for")
    folder = parser.parse_args().folder
    known = {trial.name: trial for trial in (read_trials() if CHOICES.exists() else ())}
    data = load_dataset()
    known |= {path.parent.name: _trial(path, data) for path in sorted(folder.glob(f"*/{RECORD}")) if read_record(path).complete}
    write_file(CHOICES, to_json(Trials(tuple(known[name] for name in sorted(known))), indent=1) + "\n", force=True)


if __name__ == "__main__":
    run(main)
