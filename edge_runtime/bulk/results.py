"""Tables of predictions: a row per image, in the order of the images."""

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from edge_runtime.bulk.rows import CSV_HEADER, csv_cells
from edge_runtime.bulk.worker import PredictionBatch
from edge_runtime.common.atomic_files import atomic_file
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
    """An open table."""

    def write(self, sources: Sequence[str], batch: PredictionBatch) -> None:
        """Append the predictions for images of these names."""
        ...


def check_suffix(path: Path) -> None:
    """Check that the suffix names a format that can be written here.

    Raises:
        BadArgument: it is neither .csv nor .parquet.
        MissingPackage: it is .parquet, and pyarrow is not installed.
    """
    if path.suffix.lower() not in _FORMATS:
        raise BadArgument(f"{path}: expected a name that ends in {' or '.join(_FORMATS)}")
    if path.suffix.lower() == ".parquet":
        import edge_runtime.inputs.parquet  # noqa: F401  # raises MissingPackage


@contextmanager
def open_table(path: Path, labels: Sequence[str], force: bool = False) -> Iterator[Table]:
    """Write a CSV or Parquet file, by its suffix. It appears under its name only when the block ends without an error.

    Args:
        path: the file.
        labels: the label of each class.
        force: replace an existing file.

    Raises:
        BadArgument, MissingPackage: as `check_suffix`.
        WouldOverwrite: it exists and `force` is false.
        DigitsError: the system refuses to write there.
    """
    check_suffix(path)
    with atomic_file(path, force) as temporary, _FORMATS[path.suffix.lower()](temporary, labels) as table:
        yield table


@contextmanager
def _csv_table(path: Path, labels: Sequence[str]) -> Iterator[Table]:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        yield _CsvTable(csv.writer(stream, lineterminator="\n"), labels)


class _CsvTable:
    def __init__(self, writer: Any, labels: Sequence[str]) -> None:
        self._writer, self._labels = writer, labels
        writer.writerow((*CSV_HEADER, "error"))

    def write(self, sources: Sequence[str], batch: PredictionBatch) -> None:
        for position, (source, index, confidence) in enumerate(_rows(sources, batch)):
            label = self._labels[index] if index >= 0 else None
            cells = csv_cells(source, label, index, confidence, batch.warnings.get(position, ""))
            self._writer.writerow((*cells, batch.errors.get(position, "")))


@contextmanager
def _parquet_table(path: Path, labels: Sequence[str]) -> Iterator[Table]:
    from edge_runtime.inputs.parquet import ParquetTable

    with ParquetTable(path, _COLUMNS) as file:
        yield _ParquetTable(file, labels)


class _ParquetTable:
    def __init__(self, file: Any, labels: Sequence[str]) -> None:
        self._file, self._labels = file, labels

    def write(self, sources: Sequence[str], batch: PredictionBatch) -> None:
        rows = list(_rows(sources, batch))
        positions = range(len(rows))
        self._file.write(
            {
                "source": [as_text(source) for source in sources],
                "label": [self._labels[index] if index >= 0 else None for _, index, _ in rows],
                "index": [index if index >= 0 else None for _, index, _ in rows],
                "confidence": [confidence if index >= 0 else None for _, index, confidence in rows],
                "warnings": [batch.warnings.get(position) for position in positions],
                "error": [as_text(batch.errors[position]) if position in batch.errors else None for position in positions],
            }
        )


def _rows(sources: Sequence[str], batch: PredictionBatch) -> Iterator[tuple[str, int, float]]:
    return zip(sources, batch.indices.tolist(), batch.confidences.tolist(), strict=True)


def as_text(name: str) -> str:
    """A file name as valid UTF-8, which Parquet requires: other bytes are written as \\xNN."""
    return os.fsencode(name).decode(errors="backslashreplace")


_FORMATS = {".csv": _csv_table, ".parquet": _parquet_table}
