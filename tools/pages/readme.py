"""The table of README.md."""

from pathlib import Path

from benchmarks.reporting.tables import machine_line
from benchmarks.reporting.warnings import notes
from benchmarks.results.results import BenchResult
from tools.pages.models.page import in_short
from tools.pages.models.releases import read_measurements, read_released
from tools.release.layout import Layout
from train.config.config_file import RELEASED
from train.data import load_dataset


def released(layout: Layout) -> str:
    """The released models, a table for each board that they were measured on."""
    data = load_dataset()
    releases = [read_released(name, layout, data) for name in RELEASED]
    address = str(layout.page.relative_to(layout.root))
    paths = sorted(layout.results.glob("models-*.json"))
    measured = zip(read_measurements(layout, releases), paths, strict=True)
    return "\n\n".join(
        f"{in_short(releases, result, address)}\n\nMeasured on {machine_line(result)}: `{path.relative_to(layout.root)}`."
        for result, path in measured
    )


def source(result: BenchResult, path: Path, layout: Layout) -> str:
    """What stands below a table: the machine, the command and the results file that it is from, and each warning."""
    warnings = "".join(f"\n- {line}." for line in notes(result))
    made = f"{machine_line(result)}. Made by `{result.command}`: `{path.relative_to(layout.root)}`."
    return made + (f"\n{warnings}" if warnings else "")
