"""Writes what was measured into docs/benchmarking.md from committed results; `--check` only compares."""

from pathlib import Path

from benchmarks.reporting.extra_tables import extra_tables
from benchmarks.reporting.tables import (
    Row,
    accuracy_text,
    as_markdown,
    interval_text,
    memory_text,
    microseconds,
    middle,
    milliseconds,
)
from benchmarks.results.results import OURS, BenchResult, ModelResult, read_results
from benchmarks.stats.intervals import median_ns, ratio
from edge_runtime.common.json_codec import read_json
from edge_runtime.device.receipts import Receipt
from tools.pages.marked import write_parts
from tools.pages.readme import source
from tools.release.layout import run
from tools.studies.benchmarks.prove_benchmark import Proof, findings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarking.md"
REFERENCE = ROOT / "benchmarks" / "reference"
PROVEN, BOARD = "x86_64-avx512", "x86_64-zen5"  # the proof takes half an hour, so it is not of every machine
AGAINST = (
    "model",
    "way",
    "runtime",
    "test accuracy (95 % interval)",
    "p50",
    "95 % interval",
    "times ours",
    "cold start",
    "memory",
    "installed",
)


def main() -> None:
    """Write the page's parts."""
    proof = REFERENCE / f"proof-{PROVEN}.json"
    against, limits = (REFERENCE / f"{name}-{BOARD}.json" for name in ("against", "limits"))
    proven = "\n".join(f"- {line}." for line in findings(read_json(Proof, proof)))
    parts = {
        "proof": f"{proven}\n\nMade by `python -m tools.studies.benchmarks.prove_benchmark`: `{proof.relative_to(ROOT)}`.",
        "against": against_table(read_results(against)) + "\n\n" + source(read_results(against), against),
        "limits": _further(read_results(limits)) + "\n\n" + source(read_results(limits), limits),
        "emulated": _emulated(),
    }
    write_parts(PAGE, parts, "make readme")


def against_table(result: BenchResult) -> str:
    """Every way beside ours: the models that both have, ours first, then from fast to slow."""
    ordered = sorted(result.models, key=lambda model: (model.way != OURS, median_ns(model.median_turns) or 0))
    return as_markdown(AGAINST, [_row(model, result) for model in ordered])


def _row(model: ModelResult, result: BenchResult) -> Row:
    ours = next(other for other in result.models if other.way == OURS and (other.name, other.recipe) == (model.name, model.recipe))
    return (
        f"{model.name} {model.recipe}",
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


def _further(result: BenchResult) -> str:
    tables = [table for table in extra_tables(result) if table.rows]
    return "\n\n".join(f"**{table.name}.** {table.caption}\n\n{as_markdown(table.header, table.rows)}" for table in tables)


def _emulated() -> str:
    """What the emulated boards' receipts say: function, no times."""
    receipts = [(path.stem, read_json(Receipt, path)) for path in sorted((REFERENCE / "emulated").glob("*.json"))]
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


if __name__ == "__main__":
    run(main)
