"""Parquet: images in a column, and answers as a table. The only module that imports pyarrow, which is optional.

A column of images holds an encoded picture a row (binary, or a struct with a field `bytes`, as Hugging Face's data sets have it), or the
784 pixel values of one (a list of uint8, one row of the image after the other).
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_runtime.common.pixels import SIDE
from edge_runtime.errors import DataError, ImageError, InputError, MissingPackage
from edge_runtime.preprocessing.image_files import Picture, read_picture

try:
    import pyarrow
    import pyarrow.parquet
except ImportError as error:
    raise MissingPackage(f"Parquet files need pyarrow ({error}); install it with: pip install '.[parquet]'") from error

_ROWS = 64  # at once: each may be a photo
_UNREADABLE = (pyarrow.ArrowException, OSError, ValueError)


class ParquetImages:
    """The images of a Parquet file, by position. For one thread at a time."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Open a file.

        Args:
            path: which.
            name: of a column; None for the only one that can hold images.

        Raises:
            DataError: it cannot be read, or has no such column, or several; the message names what it has.
        """
        self._path = path
        try:
            self._file = pyarrow.parquet.ParquetFile(path, buffer_size=2**20)
        except _UNREADABLE as error:
            raise _unreadable(path, error) from error
        self._column = _column(path, self._file.schema_arrow, name)
        counts = [self._file.metadata.row_group(number).num_rows for number in range(self._file.num_row_groups)]
        self._starts, self._count = [0, *accumulate(counts)][:-1], sum(counts)
        if not self._count:
            raise DataError(f"{path}: holds no images")
        # The piece of the column that was read last, and the row that it begins with: none yet, and that behind all of them.
        self._start, self._piece = self._count, pyarrow.array([])
        self._pieces: Iterator[Any] = iter(())

    def __len__(self) -> int:
        return int(self._count)

    def __enter__(self) -> "ParquetImages":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def pictures(self, start: int, stop: int, source: str) -> Iterator[Picture | InputError]:
        """Images `start` to `stop`, or why one of them could not be used. Cheapest in rising order.

        Raises:
            DataError: the file is damaged there.
        """
        for row in range(start, stop):
            try:
                value = self._value(row)
            except (*_UNREADABLE, StopIteration) as error:
                raise _unreadable(self._path, error) from error
            try:
                yield _picture(value, f"{source}[{row}]")
            except InputError as error:
                yield error

    def _value(self, row: int) -> Any:
        group = self._starts[bisect_right(self._starts, row) - 1]
        if row < self._start or group > self._start + len(self._piece):
            self._start, self._piece, self._pieces = group, pyarrow.array([]), self._from(self._starts.index(group))
        while row >= self._start + len(self._piece):
            self._start += len(self._piece)
            self._piece = next(self._pieces)
        return self._piece[row - self._start]

    def _from(self, group: int) -> Iterator[Any]:
        """The column from a group of rows on, piece by piece."""
        groups = list(range(group, len(self._starts)))
        for batch in self._file.iter_batches(_ROWS, row_groups=groups, columns=[self._column]):
            column = batch.column(0)
            yield column.flatten()[0] if pyarrow.types.is_struct(column.type) else column


class ParquetTable:
    """A Parquet file that is written piece by piece."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        """Begin a file with columns of these names and Arrow types."""
        self._schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in columns.items()])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)

    def write(self, rows: Mapping[str, Sequence[Any]]) -> None:
        """Add rows, given by columns; None stands for no value."""
        self._writer.write_table(pyarrow.table(dict(rows), schema=self._schema))

    def __enter__(self) -> "ParquetTable":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()  # writes the end, without which it is not a Parquet file


def _column(path: Path, schema: Any, name: str | None) -> str:
    """The leaf of the schema that holds images.

    Raises:
        DataError: none does, or several, or not the one that is named.
    """
    leaves = {field.name: leaf for field in schema if (leaf := _leaf(field))}
    held = ", ".join(f"{field.name} ({' '.join(str(field.type).split())})" for field in schema)
    wanted = "binary pictures, a struct with their bytes, or lists of 784 uint8"
    if name is not None:
        if name not in leaves:
            raise DataError(f"{path}: has no column {name!r} of images ({wanted}); it has {held}"[:1_000])
        return leaves[name]
    if not leaves:
        raise DataError(f"{path}: has no column of images ({wanted}); it has {held}"[:1_000])
    if len(leaves) > 1:
        raise DataError(f"{path}: several columns may hold images; name one of {', '.join(f'{path}:{name}' for name in leaves)}")
    return next(iter(leaves.values()))


def _leaf(field: Any) -> str:
    """Where a column's images are; empty if it can hold none."""
    types, kind = pyarrow.types, field.type
    if _is_binary(kind):
        return str(field.name)
    if types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return f"{field.name}.bytes" if place >= 0 and _is_binary(kind.field(place).type) else ""
    listed = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return str(field.name) if listed and types.is_uint8(kind.value_type) else ""


def _is_binary(kind: Any) -> bool:
    return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))


def _picture(value: Any, source: str) -> Picture:
    """A picture of a row.

    Raises:
        ImageError: it holds none.
    """
    if not value.is_valid:
        raise ImageError(f"{source}: is empty")
    if _is_binary(value.type):
        return read_picture(source, BytesIO(value.as_py()))
    pixels = value.values
    if len(pixels) != SIDE * SIDE or pixels.null_count:
        raise ImageError(f"{source}: has {len(pixels) - pixels.null_count} values, expected 784")
    return Picture(pixels.to_numpy().reshape(SIDE, SIDE), ())


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.strerror and error.errno:
        return DataError(f"{path}: cannot be read ({error.strerror})")
    return DataError(f"{path}: is not a Parquet file, or is damaged ({' '.join(str(error).split())[:200]})")
