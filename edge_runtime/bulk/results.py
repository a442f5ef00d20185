"""Answers as they go into a file: a row for each image, in the order of the images."""

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from edge_runtime.bulk.rows import CSV_HEADER, csv_cells
from edge_runtime.bulk.worker import PredictionBatch
from edge_runtime.common.atomic_files import whole_file
from edge_runtime.errors import BadArgument

_COLUMNS = {
    "source": "string",
    "label": "string",
    "index": "int64",
    "confidence": "double",
    "warnings": "string",
    "error": "string",
}


class Table(Protocol):
    """A file of rows that is being written."""

    def write(self, sources: Sequence[str], answers: PredictionBatch) -> None:
        """Add the answers to images of these names."""
        ...


def check_suffix(path: Path) -> None:
    """Refuse a name that does not say which kind of file it is to be, or a kind that cannot be written here.

    Raises:
        BadArgument: it ends neither in .csv nor in .parquet.
        MissingPackage: it is Parquet, and pyarrow is not installed.
    """
    if path.suffix.lower() not in _KINDS:
        raise BadArgument(f"{path}: expected a name that ends in {' or '.join(_KINDS)}")
    if path.suffix.lower() == ".parquet":
        import edge_runtime.inputs.parquet  # noqa: F401  # says what is missing


@contextmanager
def open_table(path: Path, labels: Sequence[str], force: bool = False) -> Iterator[Table]:
    """A CSV or Parquet file, by its suffix. It has its name once the block has ended without an error, and not before.

    Args:
        path: which.
        labels: of the classes.
        force: whether it may replace one.

    Raises:
        BadArgument, MissingPackage: as `check_suffix`.
        WouldOverwrite: it exists and `force` is false.
        DigitsError: the system refuses to write there.
    """
    check_suffix(path)
    with whole_file(path, force) as temporary, _KINDS[path.suffix.lower()](temporary, labels) as written:
        yield written


@contextmanager
def _csv_table(path: Path, labels: Sequence[str]) -> Iterator[Table]:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        yield _CsvTable(csv.writer(stream, lineterminator="\n"), labels)


class _CsvTable:
    def __init__(self, writer: Any, labels: Sequence[str]) -> None:
        self._writer, self._labels = writer, labels
        writer.writerow((*CSV_HEADER, "error"))

    def write(self, sources: Sequence[str], answers: PredictionBatch) -> None:
        for place, (source, index, confidence) in enumerate(_answered(sources, answers)):
            if index < 0:
                self._writer.writerow((source, "", "", "", "", answers.errors[place]))
            else:
                cells = csv_cells(source, self._labels[index], index, confidence, answers.warnings.get(place, ""))
                self._writer.writerow((*cells, ""))


@contextmanager
def _parquet_table(path: Path, labels: Sequence[str]) -> Iterator[Table]:
    from edge_runtime.inputs.parquet import ParquetTable

    with ParquetTable(path, _COLUMNS) as written:
        yield _Columns(written, labels)


class _Columns:
    def __init__(self, written: Any, labels: Sequence[str]) -> None:
        self._written, self._labels = written, labels

    def write(self, sources: Sequence[str], answers: PredictionBatch) -> None:
        rows = list(_answered(sources, answers))
        self._written.write(
            {
                "source": [as_text(source) for source in sources],
                "label": [self._labels[index] if index >= 0 else None for _, index, _ in rows],
                "index": [index if index >= 0 else None for _, index, _ in rows],
                "confidence": [confidence if index >= 0 else None for _, index, confidence in rows],
                "warnings": [answers.warnings.get(place) for place in range(len(rows))],
                "error": [as_text(answers.errors[place]) if place in answers.errors else None for place in range(len(rows))],
            }
        )


def _answered(sources: Sequence[str], answers: PredictionBatch) -> Iterator[tuple[str, int, float]]:
    return zip(sources, answers.indices.tolist(), answers.confidences.tolist(), strict=True)


def as_text(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 are written as \\xNN, since Parquet holds UTF-8 alone."""
    return os.fsencode(name).decode(errors="backslashreplace")


_KINDS = {".csv": _csv_table, ".parquet": _parquet_table}
