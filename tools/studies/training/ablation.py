"""What each part of the record recipe buys and costs: a release's recipe with one part changed at a time, over seeds, on validation.

Run by `make ablation`. Runs go to a folder of their own and are resumable; the results are kept in train/releases/ablation.json, from which
`make pages` writes the tables of docs/results/training.md.
"""

import dataclasses
import importlib
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.json_codec import read_json, to_json
from tools.release.layout import run
from tools.studies.training.calibrated import loss_of
from train.config.config_file import read_config, release_config
from train.config.training_config import Augmentation, TrainingConfig
from train.data import load_dataset
from train.loop.threads import limit_threads
from train.runs.store import MODEL
from train.runs.versions import WORKER_REQUIREMENTS

RELEASE, EPOCHS, SEEDS = "nano", 8, (0, 1, 2)
RESULTS = Path(__file__).parents[3] / "train" / "releases" / "ablation.json"
RUNS = Path("runs/ablation")  # to be removed before the recipe of another release is measured


@dataclass(frozen=True)
class Variant:
    """One recipe over all seeds. seconds: of training; loss: `calibrated_loss` on validation."""

    name: str
    validation: tuple[Accuracy, ...]
    loss: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def percent(self) -> float:
        """Mean accuracy in %."""
        return statistics.fmean(accuracy.percent for accuracy in self.validation)


@dataclass(frozen=True)
class Ablation:
    """All variants, the recipe that the others change first."""

    release: str
    epochs: int
    seeds: tuple[int, ...]
    machine: str
    variants: tuple[Variant, ...]


def variants_of(released: TrainingConfig) -> dict[str, TrainingConfig]:
    """The recipe without teachers, its changed forms by what is changed, and the recipe with teachers, as it was released."""
    change = dataclasses.replace
    base = change(released, distillation=None)
    assert base.augmentation is not None
    return {
        "the recipe without teachers": base,
        "with teachers": released,
        "without augmentation": change(base, augmentation=None),
        "with elastic augmentation too (0.5 pixels)": change(base, augmentation=change(base.augmentation, elastic=0.5)),
        "elastic augmentation alone (0.5 pixels)": change(base, augmentation=Augmentation(elastic=0.5)),
        "constant learning rate, no warm-up": change(base, schedule="constant", warmup=0.0),
        "Adam in place of AdamW": change(base, optimizer="adam", weight_decay=0.0),
        "without weight averaging": change(base, averaging=0.0),
        "without label smoothing": change(base, label_smoothing=0.0),
        "without atrous": change(base, atrous=False),
    }


def train_variant(config: TrainingConfig, folder: str) -> Any:
    """Train one variant with one seed in a worker process; returns its record and its loss."""
    limit_threads(1)

    from train.distillation.views import teacher_logits
    from train.loop.trainer import train_run

    data = load_dataset()
    logits = teacher_logits(config, data) if config.distillation else None
    record = train_run(config, data, Path(folder), resume=True, quiet=True, teacher_logits=logits)
    return record, loss_of(Path(folder) / MODEL, data.validation)


def main() -> None:
    """Train what is missing and write the results."""
    from benchmarks.system.info import cpu_name
    from edge_runtime.distributed.cluster import connect, outcomes

    released = dataclasses.replace(read_config(release_config(RELEASE)), epochs=EPOCHS)
    calls = {
        f"{number}-seed{seed}": (dataclasses.replace(config, seed=seed), str((RUNS / f"{number}-seed{seed}").resolve()))
        for seed in SEEDS
        for number, config in enumerate(variants_of(released).values())
    }
    found = {}
    with connect(WORKER_REQUIREMENTS) as client:
        for name, outcome in outcomes(client, train_variant, calls):
            if isinstance(outcome, Exception):
                raise outcome
            found[name] = outcome
            print(f"{len(found)}/{len(calls)}  {name}  {outcome[0].validation.percent:.2f} %", file=sys.stderr)
    variants = []
    for number, name in enumerate(variants_of(released)):
        mine = [found[f"{number}-seed{seed}"] for seed in SEEDS]
        variants.append(
            Variant(
                name,
                tuple(record.validation for record, _ in mine),
                tuple(loss for _, loss in mine),
                tuple(record.seconds for record, _ in mine),
            )
        )
    result = Ablation(RELEASE, EPOCHS, SEEDS, cpu_name(), tuple(variants))
    write_file(RESULTS, to_json(result, indent=1) + "\n", force=True)


def read_ablation() -> Ablation:
    """The committed results."""
    return read_json(Ablation, RESULTS)


if __name__ == "__main__":
    # Run as a module this file is __main__; workers find its functions under its own name.
    run(importlib.import_module("tools.studies.training.ablation").main)
