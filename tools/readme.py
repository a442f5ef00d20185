"""Writes the tables of README.md from committed results, between `<!-- NAME -->` marks: `make readme`; `--check` only compares."""

import sys
from pathlib import Path
from statistics import mean

from benchmarks.results import read_results
from benchmarks.tables import HEADER, as_markdown, machine_line, rows
from edge_runtime.statistics import Accuracy
from tools.marked import write_parts
from train.runs import read_record

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
REFERENCE = ROOT / "benchmarks" / "reference" / "demo-x86_64.json"
RELEASES = ROOT / "train" / "releases"
COLUMNS = ("model", "recipe", "file", "payload", "test accuracy (95 % interval)", "p50", "p99")


def main() -> None:
    """Write the README's tables."""
    write_parts(README, {"demo": _demo_table(), "seeds": _seeds_line()}, "make readme")


def _demo_table() -> str:
    result = read_results(REFERENCE)
    table = as_markdown(COLUMNS, [tuple(row[HEADER.index(name)] for name in COLUMNS) for row in rows(result)])
    return f"{table}\n\n{machine_line(result)}. From `{REFERENCE.relative_to(ROOT)}`."


def _seeds_line() -> str:
    records = [read_record(path) for path in sorted(RELEASES.glob("cnn-seed*/training.json"))]
    figures = [f"{split} {_spread([_given(getattr(record, split)) for record in records])}" for split in ("validation", "test")]
    network = f"The float network behind the shipped model, {records[0].parameters:,} parameters, over {len(records)} seeds"
    return f"{network}: {', '.join(figures)} (mean, least to most)."


def _given(accuracy: Accuracy | None) -> float:
    if accuracy is None:
        sys.exit("a released run was not judged on the test images; train it with --test")
    return accuracy.percent


def _spread(percents: list[float]) -> str:
    return f"{mean(percents):.2f} % ({min(percents):.2f} to {max(percents):.2f})"


if __name__ == "__main__":
    main()
