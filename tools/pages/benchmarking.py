"""Tables of docs/results/benchmarks.md."""

from benchmarks.reporting.extra_tables import extra_tables
from benchmarks.reporting.tables import (
    HEADER,
    Row,
    accuracy_text,
    as_markdown,
    interval_text,
    memory_text,
    microseconds,
    middle,
    milliseconds,
    rows,
)
from benchmarks.results.results import OURS, BenchResult, ModelResult, read_results
from benchmarks.stats.intervals import median_ns, ratio
from convert.quantization.recipes import RECIPES
from edge_runtime.common.json_codec import read_json
from edge_runtime.device.receipts import Receipt
from tools.pages.readme import source
from tools.release.layout import Layout
from tools.studies.benchmarks.prove_benchmark import Proof, findings

SHORT = {recipe.name: recipe.short for recipe in RECIPES.values()}
PROVEN, BOARD = "x86_64-avx512", "x86_64-zen5"  # the proof takes half an hour, so it is not of every machine
DEMO = ("model", "recipe", "file", "payload", "test accuracy (95 % interval)", "p50", "p99 (95 % interval)")
AGAINST = (
    "model",
    "runs by",
    "runtime",
    "test accuracy (95 % interval)",
    "p50",
    "95 % interval",
    "times ours",
    "cold start",
    "memory",
    "installed",
)


def demo(layout: Layout) -> str:
    """One run of `make demo`."""
    path = layout.results / "demo-x86_64.json"
    result = read_results(path)
    table = as_markdown(
        DEMO, [tuple(SHORT.get(row[HEADER.index(name)], row[HEADER.index(name)]) for name in DEMO) for row in rows(result)]
    )
    return f"{table}\n\n{source(result, path, layout)}"


def against(layout: Layout) -> str:
    """Our classifier beside the alternatives."""
    path = layout.results / f"against-{BOARD}.json"
    return f"{against_table(read_results(path))}\n\n{source(read_results(path), path, layout)}"


def limits(layout: Layout) -> str:
    """Models beside the machine's limit, LoadGen, their operators, and sustained work."""
    path = layout.results / f"limits-{BOARD}.json"
    return f"{_extra_tables(read_results(path))}\n\n{source(read_results(path), path, layout)}"


def proof(layout: Layout) -> str:
    """What 291 runs of `digits bench` show of its repeatability."""
    path = layout.results / f"proof-{PROVEN}.json"
    proven = "\n".join(f"- {line}." for line in findings(read_json(Proof, path)))
    made = f"Made by `python -m tools.studies.benchmarks.prove_benchmark`: `{path.relative_to(layout.root)}`."
    return f"{proven}\n\n{made}"


def against_table(result: BenchResult) -> str:
    """All ways to run the models that both have: ours first, then from fast to slow."""
    ordered = sorted(result.models, key=lambda model: (model.way != OURS, median_ns(model.median_turns) or 0))
    return as_markdown(AGAINST, [_row(model, result) for model in ordered])


def _row(model: ModelResult, result: BenchResult) -> Row:
    ours = next(other for other in result.models if other.way == OURS and (other.name, other.recipe) == (model.name, model.recipe))
    return (
        f"{model.name} {SHORT.get(model.recipe, model.recipe)}",
        model.way,
        model.runtime,
        accuracy_text(model.accuracy),
        microseconds(median_ns(model.median_turns)),
        interval_text(model.median_turns),
        "" if model is ours else f"{ratio(model, ours).value:.2f}",
        milliseconds(middle([start.total_ns for start in model.cold])),
        memory_text(model),
        f"{sum(model.installed.values()) / 1e6:,.0f} MB",
    )


def _extra_tables(result: BenchResult) -> str:
    tables = [table for table in extra_tables(result) if table.rows]
    return "\n\n".join(f"**{table.name}.** {table.caption}\n\n{as_markdown(table.header, table.rows)}" for table in tables)


def emulated(layout: Layout) -> str:
    """What the shipped models answered on emulated boards: function, no times."""
    receipts = [(path.stem, read_json(Receipt, path)) for path in sorted((layout.results / "emulated").glob("*.json"))]
    header = ("receipt", "runtime", "model", "golden answers equal", "largest difference", "allowed", "verdict")
    body = [
        (
            name,
            receipt.runtime,
            receipt.model,
            f"{receipt.labels_equal} of {receipt.images}",
            f"{receipt.largest_difference:g} {receipt.tolerance.unit}" if receipt.largest_difference is not None else "-",
            f"{receipt.tolerance.amount:g}",
            "passed" if receipt.passed else "FAILED",
        )
        for name, receipt in receipts
    ]
    return as_markdown(header, body)
