"""How well lines of digits are read: `python -m tools.studies.device.reading`; of `--split test` for the verdict.

Photos of lines whose digits stand apart, touch or overlap, read as `digits read` reads them.
"""

import io
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

from edge_runtime.common.text_table import text_table
from edge_runtime.inference.classifier import Classifier
from edge_runtime.preprocessing.image_files import read_pixels
from edge_runtime.reading import Reader
from edge_runtime.reading.reader import LONGEST
from tests.photos import APART, OVERLAPPING, TOUCHING, photograph_line
from tools.release.layout import run
from tools.support.split_study import study_split
from train.data import Split, load_dataset

GAPS = {"apart": APART, "touching": TOUCHING, "overlapping": OVERLAPPING}
FIRST_SEED = 60_000
"""Of the lines; none of those that constants were chosen on."""


@dataclass(frozen=True)
class LineCounts:
    """Of lines of one kind: how many there are, are read wholly right, and of these with a warning, and are wrong without one."""

    lines: int
    right: int
    warned: int
    silent: int


@dataclass(frozen=True)
class ReadingReport:
    """The lines of each kind."""

    split: str
    lines: int
    kinds: dict[str, LineCounts]


def main(arguments: Sequence[str] | None = None) -> None:
    """Photograph, read, report."""
    study_split(arguments, "device.reading", "How well are lines of digits read?", "reading.json", measure, as_text)


def measure(split_name: str, count: int | None, processes: int) -> ReadingReport:
    """Read `count` lines of each kind, 500 if it is not given."""
    lines = count or 500
    found = {}
    with ProcessPoolExecutor(processes) as pool:
        for kind, gap in GAPS.items():
            results = list(pool.map(partial(_read, split_name, gap), range(FIRST_SEED, FIRST_SEED + lines), chunksize=20))
            right = sum(is_right for is_right, _ in results)
            warned = sum(is_right and is_warned for is_right, is_warned in results)
            silent = sum(not is_right and not is_warned for is_right, is_warned in results)
            found[kind] = LineCounts(lines, right, warned, silent)
    return ReadingReport(split_name, lines, found)


def as_text(report: ReadingReport) -> str:
    """A line for each kind."""
    rows = [
        (kind, *(f"{100 * value / of.lines:.1f} %" for value in (of.right, of.warned, of.silent)))
        for kind, of in report.kinds.items()
    ]
    return text_table(("digits", "wholly right", "right, with a warning", "wrong, without a warning"), rows)


@cache
def _reader() -> Reader:
    return Reader(Classifier.load())


@cache
def _split(name: str) -> Split:
    found: Split = getattr(load_dataset(), name)
    return found


def _read(split_name: str, gap: tuple[float, float], seed: int) -> tuple[bool, bool]:
    """Whether a line is read wholly right, and whether it has a warning but that of light ink."""
    split = _split(split_name)
    numbers, content = photograph_line(split.images, seed, gap)
    reading = _reader().read(*read_pixels("photo", io.BytesIO(content), longest=LONGEST))
    written = "".join(str(label) for label in split.labels[numbers])
    return reading.text.replace(" ", "") == written, any(not text.startswith("inverted") for text in reading.all_warnings)


if __name__ == "__main__":
    run(main)
