"""Tables of docs/results/conversion.md."""

from collections.abc import Sequence
from statistics import mean

from benchmarks.reporting.tables import as_markdown
from benchmarks.reporting.warnings import MAX_BUSY
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.json_codec import read_json
from edge_runtime.errors import DataError
from tools.pages.models.figures import interval_of_mean, over_seeds
from tools.release.evaluation import EVALUATION, SEEDS, FileEvaluation, read_evaluation, seed_folder
from tools.release.int4 import PUBLISHED, WITHIN, FourBits, FourBitsEvaluation, read_four_bits
from tools.release.layout import Layout
from tools.studies.conversion.folding import FoldingResult, table
from train.config.config_file import BUDGETS, RELEASED


def int8(layout: Layout) -> str:
    """What int8 costs in accuracy, by released model."""
    header = ("model", "fp32, mean", "int8, mean", "drop (95 % interval of the mean)")
    return as_markdown(header, [_int8_row(name, layout) for name in RELEASED])


def int4(layout: Layout) -> str:
    """What int4 costs in accuracy, by model."""
    return _against_float(read_four_bits(layout), layout)


def budgets(layout: Layout) -> str:
    """int4 models within a budget of payload bytes, beside published ones."""
    return _within_budgets(read_four_bits(layout))


def folding(layout: Layout) -> str:
    """What the first convolution on several columns is worth, by machine."""
    paths = sorted(layout.results.glob("folding-*.json"))
    return "\n\n".join(part(read_json(FoldingResult, path)) for path in paths)


def part(result: FoldingResult) -> str:
    """What was measured on a machine, as Markdown."""
    machine = result.machine
    warning = (
        f"\n\n- note: other work kept {machine.busy_percent or 0:.0f} % of the processors busy."
        if (machine.busy_percent or 0) > MAX_BUSY
        else ""
    )
    return f"{machine.board}: {machine.cpu}, {machine.runtime}, one thread.\n\n{table(result)}{warning}"


def _of(found: FourBitsEvaluation, name: str) -> list[FourBits]:
    files = [file for file in found.files if file.name == name]
    if [file.seed for file in files] != list(SEEDS):
        raise DataError(f"{name} has no 4-bit files of the seeds {SEEDS}")
    return files


def _against_float(found: FourBitsEvaluation, layout: Layout) -> str:
    header = (
        "model",
        "epochs",
        "payload",
        "of int8's",
        "scales",
        "fp32, mean",
        "int4, mean (95 % interval)",
        "drop",
        "each seed's p",
    )
    rows = []
    for name in (*RELEASED, *BUDGETS):
        files = _of(found, name)
        eight = _int8_file(layout, name) if name in RELEASED else None
        rows.append(
            (
                name,
                f"{files[0].epochs}",
                f"{files[0].payload_bytes:,} B",
                f"{files[0].payload_bytes / eight.payload_bytes:.2f}" if eight else "",
                f"{files[0].scale_bytes:,} B",
                f"{mean(file.test.reference.percent for file in files):.3f} %",
                _mean_text([file.test.candidate for file in files]),
                f"{mean(file.test.drop for file in files):+.3f}",
                ", ".join(f"{file.test.mcnemar_p:.2g}" for file in files),
            )
        )
    return as_markdown(header, rows)


def _mean_text(accuracies: Sequence[Accuracy]) -> str:
    spread = over_seeds([accuracy.percent for accuracy in accuracies])
    return f"**{spread.mean:.3f} %** ({spread.interval[0]:.2f} to {spread.interval[1]:.2f})"


def _within_budgets(found: FourBitsEvaluation) -> str:
    header = ("budget", "model", "payload", "scales", "int4 on test, mean (95 % interval)", "seeds", "published")
    return as_markdown(header, [_budget_row(budget, _of(found, name), name) for budget, name in WITHIN.items()])


def _budget_row(budget: int, files: Sequence[FourBits], name: str) -> tuple[str, ...]:
    if any(file.payload_bytes > budget for file in files):
        raise DataError(f"{name} has {files[0].payload_bytes:,} bytes of payload, more than {budget:,}")
    return (
        f"{budget:,} B",
        name,
        f"{files[0].payload_bytes:,} B",
        f"{files[0].scale_bytes:,} B",
        _mean_text([file.test.candidate for file in files]),
        ", ".join(f"{file.test.candidate.correct:,}" for file in files),
        f"{PUBLISHED[budget]:.2f} %",
    )


def _int8_row(name: str, layout: Layout) -> tuple[str, ...]:
    evaluations = [read_evaluation(seed_folder(layout.releases, name, seed) / EVALUATION) for seed in SEEDS]
    plain, eight = ([each.file(recipe).test.accuracy.percent for each in evaluations] for recipe in ("float32", "static_wi8_ai8"))
    drops = [before - after for before, after in zip(plain, eight, strict=True)]
    low, high = interval_of_mean(drops)
    return (name, f"{mean(plain):.3f} %", f"{mean(eight):.3f} %", f"{mean(drops):+.3f} ({low:+.3f} to {high:+.3f})")


def _int8_file(layout: Layout, name: str) -> FileEvaluation:
    return read_evaluation(seed_folder(layout.releases, name, 0) / EVALUATION).file("static_wi8_ai8")
