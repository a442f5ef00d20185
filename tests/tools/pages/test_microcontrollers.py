"""What docs/results/microcontrollers.md says of counts and sizes."""

from pathlib import Path

from edge_runtime.common.json_codec import to_json
from tools.pages.microcontrollers import card_lines, instruction_table, logit_table, size_table
from tools.release.layout import Layout
from tools.studies.conversion.microcontrollers import RESULT, ExportedModel, MicrocontrollerResult, OnBoard
from tools.studies.conversion.same_logits import LogitCounts, SameLogitsResult


def _board(processor: str, level: str) -> OnBoard:
    return OnBoard("board", processor, level, 10_000 if level == "-O2" else 9_000, 5_000, 300, (1_330_000, 3_990_000), 4_000_000)


SMALL = ExportedModel(
    "small", "int8", "", 9_960, 10_000, 8_000, 500_000, tuple(_board("cortex-m0plus", level) for level in ("-O2", "-Os"))
)
LARGE = ExportedModel(
    "large", "int4", "", 9_970, 10_000, 80_000, 9_000_000, tuple(_board("cortex-m4", level) for level in ("-O2", "-Os"))
)
FOUND = MicrocontrollerResult({"gcc": "1.2.3"}, (SMALL, LARGE))


def test_sizes_are_those_of_the_first_processor_that_holds_the_model() -> None:
    """RAM is static memory and stack."""
    text = size_table(FOUND)
    assert "| `small` int8 | 99.60 % | 8,000 B | 10,000 B | 9,000 B | 5,300 B | cortex-m0plus |" in text
    assert "| `large` int4 | 99.70 % |" in text
    assert text.count("cortex-m4") == 1


def test_instructions_are_means_and_times_are_called_estimates() -> None:
    """A model that does not fit has no count."""
    text = instruction_table(FOUND)
    assert "| `small` int8 | 0.50 M | 2.66 (4.00) | does not fit |" in text
    assert "| `large` int4 | 9.00 M | does not fit | 2.66 (4.00) |" in text
    assert "20 ms for `small` int8: estimates" in text
    assert "gcc 1.2.3" in text


def test_cards_have_the_model_of_their_hash(tmp_path: Path) -> None:
    """A line for each processor; a model that was not measured, or has changed since, has none."""
    layout = Layout(tmp_path)
    assert list(card_lines(layout, "a")) == []
    layout.results.mkdir(parents=True)
    measured = ExportedModel(**{**vars(SMALL), "sha256": "a"})
    (layout.results / RESULT).write_text(to_json(MicrocontrollerResult({}, (measured, LARGE))))
    assert list(card_lines(layout, "a")) == [
        "- Cortex-M0+ (Raspberry Pi Pico): 10,000 B of flash, 5,300 B of RAM with stack, 2.66 M instructions an image by `-O2`; "
        "9,000 B of flash, 2.66 M instructions by `-Os`."
    ]
    assert list(card_lines(layout, "b")) == []


def test_logits_that_differ_are_counted_of_all() -> None:
    """The largest difference and the packages stand below."""
    counts = LogitCounts("small", "int8", "", 100_000, 10_000, 0, 0, 123, 1, 2, 3)
    text = logit_table(SameLogitsResult({"tflite-micro": "0.1"}, (counts,)))
    assert "| `small` int8 | 100,000 | 0 | 0 | 123 | 2 of 10,000 | 3 of 10,000 |" in text
    assert "No difference is larger than 1 step. tflite-micro 0.1." in text
