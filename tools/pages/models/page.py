"""The page of all model cards: template.md with its figures, then a card for each model."""

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks.reporting.tables import Row, accuracy_text, as_markdown, machine_line, microseconds
from benchmarks.reporting.warnings import warnings
from benchmarks.results.results import BenchResult
from benchmarks.stats.intervals import median_ns
from tools.pages.models.cards import FLOAT, INT8, card, count_text, steps_of
from tools.pages.models.figures import over_seeds
from tools.pages.models.pictures import Picture, pictures_of
from tools.pages.models.releases import Released, find_result, read_measurements, read_released
from tools.release.evaluation import SEEDS, SHIPPED_SEED
from tools.release.layout import Layout
from tools.studies.benchmarks.measure_models import TUTORIAL
from train.data import Dataset

_TEMPLATE = Path(__file__).with_name("template.md")
_IN_SHORT = (0, 3, 2, 4, 6, 7)  # columns of the table for a README


def models_page(names: Sequence[str], data: Dataset, layout: Layout) -> tuple[str, list[Picture]]:
    """The page and its pictures, from committed files.

    Raises:
        DataError: a source is missing, damaged, or does not belong to the others.
    """
    releases = [read_released(name, layout, data) for name in names]
    text = page(releases, read_measurements(layout, releases), data, layout)
    shown = [pictures_of(release.name, release.shipped(INT8).test, data.test.images) for release in releases]
    return text, [picture for pair in shown for picture in pair]


def page(releases: Sequence[Released], results: Sequence[BenchResult], data: Dataset, layout: Layout) -> str:
    """The content of docs/models.md.

    Args:
        releases: at least one, in the order of the page.
        results: latency measurements of at least one board; each has every release and the tutorial's network.
        data: what the models were trained on.
        layout: says where pictures lie.
    """
    head = Template(_TEMPLATE.read_text()).substitute(
        seeds=len(SEEDS),
        shipped=SHIPPED_SEED,
        runtime=releases[0].evaluations[SHIPPED_SEED].runtime,
        summary="\n\n".join(summary(releases, result) for result in results),
        calibration=len(releases[0].records[SHIPPED_SEED].calibration_indices),
        samples=f"{len(results[0].models[0].steady_ns):,}",
        machines="\n".join(_machine(result) for result in results),
        **_data_facts(data),
        **_tutorial_facts(results[0]),
    )
    return "\n\n".join((head.rstrip(), *(card(release, results, layout) for release in releases))) + "\n"


def summary(releases: Sequence[Released], result: BenchResult) -> str:
    """All releases in one Markdown table."""
    return as_markdown(_header(result), [_summary_row(release, result, "") for release in releases])


def in_short(releases: Sequence[Released], result: BenchResult, address: str) -> str:
    """The same with the columns that a README needs. `address` is where the page lies, as seen from there."""
    table = (_header(result), *(_summary_row(release, result, address) for release in releases))
    header, *body = (tuple(row[column] for column in _IN_SHORT) for row in table)
    return as_markdown(header, body)


def _header(result: BenchResult) -> Row:
    return (
        "model",
        "multiply-adds, int8",
        "int8 payload",
        "int8 file",
        f"int8 test accuracy, mean of {len(SEEDS)} seeds (min to max)",
        "of the shipped file",
        f"p50 int8, {result.machine.board}",
        "p50 fp32",
    )


def _summary_row(release: Released, result: BenchResult, address: str) -> Row:
    shipped = release.shipped(INT8)
    spread = over_seeds([file.test.accuracy.percent for file in release.evaluated(INT8)])
    return (
        f"[{release.name}]({address}#{release.name})",
        f"{sum(step.multiply_adds for step in steps_of(release)):,}",
        f"{shipped.payload_bytes:,} B",
        f"{shipped.file_bytes:,} B",
        f"**{spread.mean:.3f} %** ({spread.least:.2f} to {spread.most:.2f})",
        count_text(shipped.test.accuracy),
        *(microseconds(median_ns(find_result(result, release.name, recipe).median_turns)) for recipe in (INT8, FLOAT)),
    )


def _data_facts(data: Dataset) -> dict[str, str]:
    return {
        "data_sha256": data.sha256,
        "given": f"{len(data.y_train):,}",
        **{split.name: f"{len(split):,}" for split in (data.train, data.validation, data.test)},
    }


def _tutorial_facts(result: BenchResult) -> dict[str, str]:
    plain, small = (find_result(result, TUTORIAL, recipe) for recipe in (FLOAT, INT8))
    return {
        "tutorial_float_bytes": f"{plain.file_bytes:,}",
        "tutorial_float": accuracy_text(plain.accuracy),
        "tutorial_int8_bytes": f"{small.file_bytes:,}",
        "tutorial_int8": accuracy_text(small.accuracy),
    }


def _machine(result: BenchResult) -> str:
    return "\n".join((f"- {machine_line(result)}", *(f"- Note: {line}." for line in warnings(result))))
