"""The results of a study as CSV and as a report in Markdown."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.intervals import Accuracy
from train.search.points import point_file, training_command
from train.search.settings import Settings
from train.search.space import architecture
from train.search.study import Trial

HEADER = ("name", "network", "validation accuracy (95 % interval)", "int8 payload", "latency", "parameters")
_COLUMNS = (
    *("name", "network", "validation_correct", "validation_total", "payload_bytes", "latency_ns", "latency_medians_ns"),
    *("busy_percent", "parameters", "seconds", "on_front", "error"),
)
_BUSY_PERCENT = 20


def trials_csv(trials: Sequence[Trial], front: Sequence[Trial]) -> str:
    """All finished trials as CSV, one per line."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    on_front = {trial.number for trial in front}
    for trial in trials:
        writer.writerow((trial.name, architecture(trial.network), *_figures(trial), int(trial.number in on_front), trial.error))
    return stream.getvalue()


def _figures(trial: Trial) -> tuple[object, ...]:
    if trial.outcome is None:
        return ("",) * (len(_COLUMNS) - 4)
    found, latency = trial.outcome, trial.outcome.latency
    medians = " ".join(map(str, latency.medians_ns))
    return (
        *(found.validation.correct, found.validation.total, found.payload_bytes, latency.best_ns, medians),
        *(latency.busy_percent, found.parameters, round(found.seconds, 1)),
    )


def front_rows(front: Sequence[Trial]) -> list[tuple[str, ...]]:
    """The front as rows of text, in the columns of `HEADER`."""
    return [_row(trial) for trial in front]


def _row(trial: Trial) -> tuple[str, ...]:
    assert trial.outcome
    found = trial.outcome
    return (
        trial.name,
        architecture(trial.network),
        accuracy_text(found.validation),
        f"{found.payload_bytes:,} B",
        microseconds(found.latency.best_ns),
        f"{found.parameters:,}",
    )


def trial_line(trial: Trial) -> str:
    """A finished trial as a line for the terminal."""
    if trial.outcome is None:
        return f"{trial.name}  {architecture(trial.network)}  failed: {trial.error}"
    found = trial.outcome
    figures = (f"{found.validation.percent:.2f} %", f"{found.payload_bytes:,} B", microseconds(found.latency.best_ns))
    return "  ".join((trial.name, architecture(trial.network), *figures))


def accuracy_text(accuracy: Accuracy) -> str:
    """Such as 98.76 % (98.42 to 99.03)."""
    low, high = accuracy.interval
    return f"{accuracy.percent:.2f} % ({low:.2f} to {high:.2f})"


def microseconds(nanoseconds: int) -> str:
    """Such as 12.3 us."""
    return f"{nanoseconds / 1000:.1f} us"


@dataclass(frozen=True)
class Report:
    """The report of a study."""

    folder: Path
    settings: Settings
    trials: Sequence[Trial]
    front: Sequence[Trial]

    @property
    def best(self) -> Trial:
        """The point of the front with the highest accuracy; of several, the one with the fewest bytes."""
        return max(self.front, key=lambda trial: trial.outcome.objectives[0] if trial.outcome else 0)

    def markdown(self) -> str:
        """The report as Markdown."""
        parts = (f"# Search {self.folder.name}", self._what(), self._front(), self._how_sure(), *self._warnings(), self._next())
        return "\n\n".join(parts) + "\n"

    def _what(self) -> str:
        plan, failed = self.settings.plan, sum(trial.outcome is None for trial in self.trials)
        recipe = ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in plan.recipe.items())
        return (
            f"{len(self.trials)} trials{f', {failed} of them failed' if failed else ''}: networks of the space {plan.space} with at most"
            f" {plan.max_bytes:,} bytes of int8 payload, each trained once on the {plan.train_images:,} training images of"
            f" {plan.data_source} and converted to int8 (`--fold-columns 1`, the smallest file). All trials have the same settings:"
            f" {recipe}."
            " All of them are in trials.csv."
        )

    def _front(self) -> str:
        rule = tuple("---" for _ in HEADER)
        table = "\n".join("| " + " | ".join(row) + " |" for row in (HEADER, rule, *front_rows(self.front)))
        return (
            f"## The Pareto front: {len(self.front)} points that no other trial dominates\n\n{table}\n\n"
            "![accuracy against bytes](pareto.png)"
        )

    def _how_sure(self) -> str:
        assert self.best.outcome
        best = self.best.outcome.validation
        epochs = self.settings.plan.recipe["epochs"]
        return (
            "## Uncertainty\n\n"
            f"- Chosen on {best.total:,} validation images, after a training of {epochs} epoch{'s' * (epochs != 1)} with one seed; the test"
            " set was not used. Longer training may rank the networks differently.\n"
            f"- A single accuracy is noisy: {accuracy_text(best)} is the best here, with its 95 % interval. Points whose intervals"
            " overlap may not differ, and the accuracy of the best of many trials is biased upwards.\n"
            "- The accuracy is the Keras model's; bytes and latency are those of its int8 file.\n"
            f"- Latency is of {self.settings.machine}: one image from pixels to label on one thread, the smallest of several medians, taken"
            " while no trial trained on that machine."
        )

    def _warnings(self) -> list[str]:
        """Warnings about the latencies."""
        measured = [trial.outcome.latency for trial in self.trials if trial.outcome]
        busy = [latency.busy_percent for latency in measured if latency.busy_percent > _BUSY_PERCENT]
        unsteady = sum(not latency.steady for latency in measured)
        found = []
        if busy:
            found.append(
                f"Other programs used over {_BUSY_PERCENT} % of the CPU, up to {max(busy):.0f} %, just before {len(busy)} of"
                f" {len(measured)} measurements."
            )
        if unsteady:
            found.append(f"The medians of {unsteady} of {len(measured)} trials lie more than 10 % apart.")
        return [f"Warning: {' '.join(found)} Latencies may be too high, by different amounts."] if found else []

    def _next(self) -> str:
        name = self.best.name
        return (
            "## Train a point\n\nBy its name or from its config:\n\n"
            f"    {training_command(self.folder, name)} --epochs 30\n"
            f"    digits train --config {point_file(self.folder, name)} --epochs 30\n\n"
            "Add `--data` if the search had it."
        )


def _plain(value: object) -> str:
    """A value of the recipe as text."""
    return "(" + ", ".join(f"{name} {part:g}" for name, part in value.items()) + ")" if isinstance(value, dict) else str(value)
