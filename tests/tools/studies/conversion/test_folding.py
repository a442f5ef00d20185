"""The table of what the first convolution on several columns at once is worth."""

from dataclasses import replace
from pathlib import Path

from edge_runtime.common.json_codec import from_json, read_json, to_json
from tests.benchmarks.samples import MACHINE
from tests.conftest import ROOT
from tools.pages.conversion import part
from tools.studies.conversion.folding import Folded, FoldingResult, table

MODELS = (
    Folded("nano", "int8", {"1": 7_880, "2": 8_192, "4": 9_056}, {"1": (9_000, 11_000, 10_000), "2": (7_000,), "4": (6_000,)}),
    Folded("small", "fp32", {"1": 95_088, "4": 96_880}, {"1": (9_000,), "4": (8_500,)}),
)
RESULT = FoldingResult(MACHINE, MODELS)


def test_a_table_has_medians_and_payloads() -> None:
    """What was released is in bold; a number of columns that gives the same file as fewer says so."""
    assert table(RESULT).splitlines()[2:] == [
        "| nano int8 | 10.00 us, 7,880 B | **7.00 us, 8,192 B** | 6.00 us, 9,056 B |",
        "| small fp32 | 9.00 us, 95,088 B | as with fewer | **8.50 us, 96,880 B** |",
    ]


def test_a_busy_machine_is_a_note() -> None:
    """As everywhere, from a tenth of its processors on."""
    assert "other work" not in part(replace(RESULT, machine=replace(MACHINE, busy_percent=2.0)))
    assert "other work kept 30 % of the processors busy" in part(replace(RESULT, machine=replace(MACHINE, busy_percent=30.0)))


def test_results_survive_being_written() -> None:
    """Reading and writing again gives the same."""
    assert from_json(FoldingResult, to_json(RESULT)) == RESULT


def test_every_committed_measurement_is_on_the_page() -> None:
    """A part of it for each machine."""
    page = (ROOT / "docs" / "results" / "conversion.md").read_text()
    results = sorted(Path(ROOT / "benchmarks" / "reference").glob("folding-*.json"))
    assert results
    assert all(part(read_json(FoldingResult, path)) in page for path in results)
