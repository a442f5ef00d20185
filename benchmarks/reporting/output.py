"""Files of a benchmark run: the results with their raw samples, and two plots."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.reporting.plots import accuracy_against_latency, accuracy_against_size
from benchmarks.results.results import BenchResult
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json


def target_files(folder: Path, board: str) -> list[Path]:
    """Results, latency plot and size plot of a board; what does not fit into a file name becomes a hyphen."""
    stem = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in board)
    return [folder / f"{stem}.json", folder / f"{stem}-latency.png", folder / f"{stem}-size.png"]


def write_bench(result: BenchResult, targets: Sequence[Path], force: bool) -> list[Path]:
    """Write results and the two plots to the three files of `targets`; without accuracies there is nothing to plot against.

    Returns:
        The files that were written.
    """
    results, latency, size = targets
    write_file(results, to_json(result) + "\n", force)
    if all(model.accuracy is None for model in result.models):
        for plot in (latency, size):
            plot.unlink(missing_ok=True)  # of an earlier run, which said something else
        return [results]
    write_file(latency, accuracy_against_latency(result), force)
    write_file(size, accuracy_against_size(result), force)
    return [results, latency, size]
