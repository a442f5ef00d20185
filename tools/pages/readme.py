"""Writes the tables of README.md from committed results, between `<!-- NAME -->` marks: `make readme`; `--check` only compares."""

from pathlib import Path

from benchmarks.reporting.tables import HEADER, as_markdown, machine_line, rows
from benchmarks.reporting.warnings import notes
from benchmarks.results.results import BenchResult, read_results
from tools.pages.marked import write_parts
from tools.pages.models.page import summary
from tools.pages.models.releases import read_measurements, read_released
from tools.release.layout import Layout, run
from train.config.config_file import RELEASED
from train.data import load_dataset

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
REFERENCE = ROOT / "benchmarks" / "reference" / "demo-x86_64.json"
COLUMNS = ("model", "recipe", "file", "payload", "test accuracy (95 % interval)", "p50", "p99")


def main() -> None:
    """Write the README's tables."""
    write_parts(README, {"released": _released_table(), "demo": _demo_table()}, "make readme")


def _demo_table() -> str:
    result = read_results(REFERENCE)
    table = as_markdown(COLUMNS, [tuple(row[HEADER.index(name)] for name in COLUMNS) for row in rows(result)])
    return f"{table}\n\n{source(result, REFERENCE)}"


def _released_table() -> str:
    layout, data = Layout(), load_dataset()
    releases = [read_released(name, layout, data) for name in RELEASED]
    address = layout.page.relative_to(layout.root)
    paths = sorted(layout.results.glob("models-*.json"))
    measured = zip(read_measurements(layout, releases), paths, strict=True)
    return "\n\n".join(f"{summary(releases, result, str(address))}\n\n{source(result, path)}" for result, path in measured)


def source(result: BenchResult, path: Path) -> str:
    """What stands below a table: the machine, the command and the file that it is from, and each doubt."""
    doubts = "".join(f"\n- {line}." for line in notes(result))
    return f"{machine_line(result)}. Made by `{result.command}`: `{path.relative_to(ROOT)}`." + (f"\n{doubts}" if doubts else "")


if __name__ == "__main__":
    run(main)
