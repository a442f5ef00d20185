"""The table of an experiment, a row per setting over its seeds: as CSV, for the terminal, and in the report."""

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import fmean, stdev

from train.experiments.contrasts import Verdict
from train.experiments.findings import Finding
from train.experiments.grid import Grid, Setting, setting_of
from train.experiments.store import ExperimentSpec
from train.experiments.trial import TrialResult

CSV_COLUMNS = (
    *("hidden_layers", "units", "activation", "epochs", "optimizer", "seeds", "seeds_missing"),
    *("validation_mean", "validation_sd", "validation_min", "validation_max", "seconds_mean", "parameters", "int8_bytes"),
)
HEADER = (
    *("layers", "units", "activation", "epochs", "optimizer", "seeds"),
    *("validation", "sd", "min to max", "seconds", "parameters", "int8 bytes"),
)
_MARKS: dict[Verdict, str] = {"yes": "holds", "no": "does not hold", "undecided": "undecided"}


@dataclass(frozen=True)
class Row:
    """A setting with the results of its finished cells, and the seeds without a result."""

    setting: Setting
    results: tuple[TrialResult, ...]
    missing: tuple[int, ...]

    @property
    def percents(self) -> list[float]:
        """Validation accuracy of each seed, ascending."""
        return sorted(result.validation.percent for result in self.results)

    @property
    def mean(self) -> float:
        """Mean validation accuracy in percent."""
        return fmean(self.percents)

    @property
    def seconds(self) -> float:
        """Mean seconds of training."""
        return fmean(result.seconds for result in self.results)

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds, in points; None for a single seed."""
        return stdev(self.percents) if len(self.results) > 1 else None

    @property
    def parameters(self) -> int:
        """Number of parameters of the Keras model."""
        return self.results[0].parameters

    @property
    def int8_bytes(self) -> int:
        """Maximum payload over seeds; they differ only where a bias is all zero and therefore left out."""
        return max(result.int8_bytes for result in self.results)


def rows(grid: Grid, finished: Mapping[str, TrialResult]) -> list[Row]:
    """A row per setting, sorted by layers, units, activation."""
    seeds_by_setting: dict[Setting, list[int]] = {}
    for config in grid.cells:
        seeds_by_setting.setdefault(setting_of(config), []).append(config.seed)
    by_cell = {(setting_of(result.config), result.config.seed): result for result in finished.values()}
    table = []
    for setting, seeds in sorted(seeds_by_setting.items()):
        found = tuple(by_cell[setting, seed] for seed in seeds if (setting, seed) in by_cell)
        table.append(Row(setting, found, tuple(seed for seed in seeds if (setting, seed) not in by_cell)))
    return table


def as_csv(table: Sequence[Row]) -> str:
    """The table as CSV: accuracies in percent; empty values for settings without a finished cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in table:
        named = astuple(row.setting)
        writer.writerow([*named, len(row.results), " ".join(map(str, row.missing)), *_csv_figures(row)])
    return stream.getvalue()


def _csv_figures(row: Row) -> list[object]:
    if not row.results:
        return [""] * 7
    spread = "" if row.spread is None else f"{row.spread:.4f}"
    percents = [f"{percent:.4f}" for percent in (row.percents[0], row.percents[-1])]
    return [f"{row.mean:.4f}", spread, *percents, f"{row.seconds:.2f}", row.parameters, row.int8_bytes]


def as_cells(row: Row) -> tuple[str, ...]:
    """The texts of a row, in the columns of `HEADER`."""
    setting, done = row.setting, len(row.results)
    named = (
        str(setting.hidden_layers),
        str(setting.units or "-"),
        setting.activation or "-",
        str(setting.epochs),
        setting.optimizer,
    )
    seeds = f"{done} of {done + len(row.missing)}" if row.missing else str(done)
    if not done:
        return (*named, seeds, "failed", *["-"] * 5)
    spread = "-" if row.spread is None else f"{row.spread:.2f}"
    ends = f"{row.percents[0]:.2f} to {row.percents[-1]:.2f}"
    return (*named, seeds, f"{row.mean:.2f} %", spread, ends, f"{row.seconds:.1f}", f"{row.parameters:,}", f"{row.int8_bytes:,}")


def finding_lines(finding: Finding) -> list[str]:
    """A finding for the terminal: verdict, claim and evidence."""
    return [f"{_MARKS[finding.holds].upper()}: {finding.claim}", f"  {finding.evidence}"]


def training_command(table: Sequence[Row], grid: Grid, data: Path | None = None) -> str:
    """The command that trains the setting with the best mean; empty if no cell has finished.

    Args:
        table: rows of the table.
        grid: of the experiment.
        data: the data set that was given; None for MNIST.
    """
    trained = [row for row in table if row.results]
    if not trained:
        return ""
    setting = max(trained, key=lambda row: row.mean).setting
    hidden = ",".join([str(setting.units)] * setting.hidden_layers)
    model = ["mlp", "--hidden", hidden, "--activation", setting.activation] if hidden else ["linear"]
    options = {
        "epochs": setting.epochs,
        "batch-size": grid.batch_size,
        "learning-rate": grid.learning_rate,
        "schedule": "constant",
        "optimizer": setting.optimizer,
        "name": setting,
        "data": data,
    }
    given = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    return shlex.join(["digits", "train", *model, *given])


def report(
    spec: ExperimentSpec,
    table: Sequence[Row],
    findings: Sequence[Finding],
    failures: Mapping[str, str],
    pictures: Sequence[tuple[str, str]],
) -> str:
    """The report as Markdown.

    Args:
        spec: the experiment's specification.
        table: rows of the table.
        findings: tested claims.
        failures: causes of failed cells, by key.
        pictures: caption and file name of each plot.
    """
    multiplicity = (
        f"Each of the {len(findings)} findings has a confidence level of 95 % by itself, so one in twenty may be due to chance. Intervals"
        " are over seeds, on the same validation images."
    )
    parts = [
        "# Experiment",
        _preface(spec),
        *(["## Findings", *map(_paragraph, findings), multiplicity] if findings else []),
        "## Table",
        _markdown(HEADER, [as_cells(row) for row in table]),
        *(["## Failed", "\n".join(f"- `{key}`: {cause}" for key, cause in failures.items())] if failures else []),
        *(["## Pictures", *(f"{caption}\n\n![{caption}]({name})" for caption, name in pictures)] if pictures else []),
        f"Trained with {', '.join(f'{name} {version}' for name, version in sorted(spec.versions.items()))}.",
    ]
    return "\n\n".join(parts) + "\n"


def _preface(spec: ExperimentSpec) -> str:
    grid = spec.grid
    return (
        f"{len(grid.cells)} trainings on {spec.data_source} (sha256 {spec.data_sha256[:16]}), batches of {grid.batch_size}, constant"
        f" learning rate {grid.learning_rate:g}. Accuracy is that on the validation images after the last epoch; test images are not"
        " used. sd is the standard deviation over seeds, seconds are those of training with one thread, int8 bytes the payload of"
        " the converted model (`--fold-columns 1`)."
    )


def _paragraph(finding: Finding) -> str:
    claim, evidence = (text[0].upper() + text[1:] for text in (finding.claim, finding.evidence))
    return f"**{claim}: {_MARKS[finding.holds]}.** {evidence}.\n\n*How: {finding.method}.*"


def _markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
