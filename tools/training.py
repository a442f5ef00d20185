"""Writes the tables of docs/training.md from committed results; `--check` only compares."""

import itertools
import statistics
from pathlib import Path

from benchmarks.tables import as_markdown
from tools.ablation import Ablation, Variant, read_ablation
from tools.choices import Trial, read_trials
from tools.marked import write_parts
from tools.models.figures import interval_of_mean
from train.config import TrainingConfig
from train.config_file import RELEASED

PAGE = Path(__file__).parents[1] / "docs" / "training.md"


def main() -> None:
    """Write the page's tables."""
    write_parts(
        PAGE, {"ablation": _ablation(read_ablation()), "choices": _choices(read_trials()), "commands": _commands()}, "make readme"
    )


def _ablation(ablation: Ablation) -> str:
    base = ablation.variants[0]
    table = as_markdown(
        ("recipe", "validation accuracy", "change", "cross-entropy", "change", "training"),
        [_row(variant, base) for variant in ablation.variants],
    )
    return (
        f"The network of `{ablation.release}`, {ablation.epochs} epochs, {len(ablation.seeds)} seeds; means, and 95 % t intervals of the "
        f"paired differences to the first row. Accuracy counts few images (0.02 points are one of 5,000), so cross-entropy is the finer "
        f"measure: lower is better. One thread of {ablation.machine}, two trainings at a time; teachers' logits come on top, once for all "
        f"seeds.\n\n{table}"
    )


def _row(variant: Variant, base: Variant) -> tuple[str, ...]:
    percents, reference = ([accuracy.percent for accuracy in which.validation] for which in (variant, base))
    differs = variant is not base
    return (
        variant.name,
        f"{statistics.fmean(percents):.2f} % ({min(percents):.2f} to {max(percents):.2f})",
        _difference(percents, reference, 2) if differs else "",
        f"{statistics.fmean(variant.loss):.4f}",
        _difference(list(variant.loss), list(base.loss), 4) if differs else "",
        f"{statistics.fmean(variant.seconds):.0f} s",
    )


def _difference(values: list[float], reference: list[float], digits: int) -> str:
    """Mean paired difference with its 95 % t interval."""
    differences = [value - other for value, other in zip(values, reference, strict=True)]
    low, high = interval_of_mean(differences)
    return f"{statistics.fmean(differences):+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def _choices(trials: tuple[Trial, ...]) -> str:
    """A table for each released model, of the trials whose names begin with its name."""
    parts = []
    for release, group in itertools.groupby(trials, lambda trial: trial.name.partition("-")[0]):
        if release in RELEASED:
            rows = [_trial_row(trial) for trial in sorted(group, key=lambda trial: trial.loss)]
            header = ("trial", "network", "recipe", "parameters", "validation", "cross-entropy")
            parts.append(f"### {release}\n\n{as_markdown(header, rows)}")
    return "\n\n".join(parts)


def _trial_row(trial: Trial) -> tuple[str, ...]:
    network = ",".join(map(str, trial.config.convolutions))
    accuracy = f"{trial.validation.percent:.2f} %"
    return trial.name, f"`{network}`", _recipe(trial.config), f"{trial.parameters:,}", accuracy, f"{trial.loss:.4f}"


def _recipe(config: TrainingConfig) -> str:
    taught = config.distillation
    teachers = f"T {taught.temperature:g}, weight {taught.weight:g}" if taught else "no teachers"
    return f"{config.epochs} epochs, rate {config.learning_rate:g}, {teachers}"


def _commands() -> str:
    lines = [f"digits train --release {name} --seed SEED" for name in RELEASED]
    return "```\n" + "\n".join(("make ablation", *lines)) + "\n```"


if __name__ == "__main__":
    main()
