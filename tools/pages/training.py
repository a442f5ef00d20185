"""Tables of docs/results/training.md."""

import itertools
import statistics

from benchmarks.reporting.tables import accuracy_text, as_markdown
from tools.pages.models.figures import interval_of_mean
from tools.release.layout import Layout
from tools.studies.training.ablation import Ablation, Variant, read_ablation
from tools.studies.training.choices import Trial, read_trials
from tools.studies.training.quick import QuickTiming, read_quick
from train.config.config_file import BUDGETS, RELEASED
from train.config.training_config import TrainingConfig


def ablation(_layout: Layout) -> str:
    """What each part of the recipe is worth."""
    return ablation_part(read_ablation())


def choices(_layout: Layout) -> str:
    """The trials by which the released models were chosen."""
    return choices_part(read_trials())


def quick(_layout: Layout) -> str:
    """What `digits train cnn --quick` takes and gives."""
    return _quick(read_quick())


def ablation_part(ablation: Ablation) -> str:
    """The table of what each part of the recipe is worth."""
    base = ablation.variants[0]
    table = as_markdown(
        ("recipe", "validation accuracy", "change", "cross-entropy", "change", "training"),
        [_row(variant, base) for variant in ablation.variants],
    )
    return (
        f"The network of `{ablation.release}`, {ablation.epochs} epochs, {len(ablation.seeds)} seeds; means, and 95 % t intervals of the "
        f"paired differences to the first row. Accuracy counts few images (0.02 points are one of 5,000), so cross-entropy is the finer "
        f"measure: lower is better. It is taken at the temperature that minimises it, since smoothing and teachers change the confidence "
        f"of a network. Seconds are the minimum over seeds (other work disturbed some), on one thread of {ablation.machine}, two trainings "
        f"at a time; teachers' logits come on top, once for all seeds.\n\n"
        f"{_significant(ablation)}\n\n{table}"
    )


def _significant(ablation: Ablation) -> str:
    """The changes of cross-entropy that are larger than the differences between seeds explain."""
    base = ablation.variants[0]
    significant = []
    for variant in ablation.variants[1:]:
        low, high = interval_of_mean([value - other for value, other in zip(variant.loss, base.loss, strict=True)])
        if low > 0 or high < 0:
            significant.append(f"{variant.name} ({'worse' if low > 0 else 'better'})")
    names = ", ".join(significant) or "none"
    return (
        f"Changes whose interval of cross-entropy excludes 0, so that with {len(ablation.seeds)} seeds they exceed chance: {names}."
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
        f"{min(variant.seconds):.0f} s",
    )


def _difference(values: list[float], reference: list[float], digits: int) -> str:
    """Mean paired difference with its 95 % t interval."""
    differences = [value - other for value, other in zip(values, reference, strict=True)]
    low, high = interval_of_mean(differences)
    return f"{statistics.fmean(differences):+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def choices_part(trials: tuple[Trial, ...]) -> str:
    """A table for each model with a committed config, and one for teachers, of the trials whose names begin with its name."""
    parts = []
    for release, group in itertools.groupby(trials, lambda trial: trial.name.partition("-")[0]):
        if release in (*RELEASED, *BUDGETS, "teacher"):
            rows = [_trial_row(trial) for trial in sorted(group, key=lambda trial: trial.loss)]
            header = ("trial", "network", "recipe", "parameters", "validation", "cross-entropy")
            parts.append(f"### {release}\n\n{as_markdown(header, rows)}")
    return "\n\n".join(parts)


def _trial_row(trial: Trial) -> tuple[str, ...]:
    network = ",".join(map(str, trial.config.convolutions))
    accuracy = f"{trial.validation.percent:.2f} %"
    return trial.name, f"`{network}`", _recipe(trial.config), f"{trial.parameters:,}", accuracy, f"{trial.loss:.4f}"


def _recipe(config: TrainingConfig) -> str:
    augmentation = vars(config.augmentation) if config.augmentation else {}
    distillation = config.distillation
    parts = (
        f"{config.epochs} epochs" + f", {config.strokes:,} drawn digits" * bool(config.strokes),
        f"rate {config.learning_rate:g}",
        " ".join(f"{name} {value:g}" for name, value in augmentation.items() if value) or "no augmentation",
        f"smoothing {config.label_smoothing:g}",
        f"averaging {config.averaging:g}" + ", atrous" * config.atrous,
        f"{len(distillation.teachers)} teachers, T {distillation.temperature:g}, weight {distillation.weight:g}"
        if distillation
        else "no teachers",
    )
    return ", ".join(parts)


def commands(_layout: Layout) -> str:
    """The commands that make all of it again."""
    lines = (
        "make ablation",
        "digits train --release teacher --seed 0 --runs train/releases                            # and seed 1",
        "digits train --release teacher-strong --seed 2 --runs train/releases --name teacher-seed2 # and seed 3",
        "digits convert train/releases/teacher-seed0/model.keras --recipe fp16 --out train/releases/teachers # and the others",
        *(f"digits train --release {name} --seed 0 --runs train/releases # and seeds 1, 2" for name in RELEASED),
        "python -m tools.release.evaluate nano 0 # and the others",
        "python -m tools.studies.benchmarks.measure_models",
        "make instructions",
        "python -m tools.studies.training.quick",
        "make pages",
    )
    return "```\n" + "\n".join(lines) + "\n```"


def _quick(timing: QuickTiming) -> str:
    rows = [
        (
            str(run.seed),
            f"{run.training_seconds:.1f} s",
            f"{run.command_seconds:.1f} s",
            accuracy_text(run.validation),
            accuracy_text(run.test),
        )
        for run in timing.runs
    ]
    table = as_markdown(("seed", "training", "the whole command", "validation", "int8 file, test"), rows)
    mean = statistics.fmean(run.test.percent for run in timing.runs)
    where = f"{timing.cores} cores of {timing.machine}; nothing else ran on this virtual machine, but its host is shared"
    return f"{table}\n\nMean on test: {mean:.2f} %. {where}."
