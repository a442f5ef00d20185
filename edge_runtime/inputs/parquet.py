"""Parquet files: read a column of images, write a table of predictions. The only module that imports pyarrow, which is optional.

Each row of a column of images is an encoded image (binary, or a struct with a field `bytes`, as in Hugging Face's data sets) or a list of
784 uint8 pixels, row by row.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_runtime.common.packages import pip_install
from edge_runtime.common.pixels import SIDE
from edge_runtime.errors import DataError, ImageError, InputError, MissingPackage
from edge_runtime.preprocessing.image_files import Picture, array_picture, read_picture

try:
    import pyarrow
    import pyarrow.parquet
except ImportError as error:
    raise MissingPackage(f"Parquet files need pyarrow ({error}); install it with: {pip_install()} '.[parquet]'") from error

_ROWS = 64  # per batch: each may be a photo
_UNREADABLE = (pyarrow.ArrowException, OSError, ValueError)


class ParquetImages:
    """The images of a Parquet file, by position. Not thread-safe."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Open a file.

        Args:
            path: the file.
            name: a column; None for the only one whose type can represent images.

        Raises:
            DataError: it cannot be read, or has no such column, or several; the message lists its columns.
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
            raise DataError(f"{path}: contains no images")
        # The last batch of the column that was read, and its first row. Before the first batch: an empty one after the last row.
        self._start, self._batch = self._count, pyarrow.array([])
        self._batches: Iterator[Any] = iter(())

    def __len__(self) -> int:
        return int(self._count)

    def __enter__(self) -> "ParquetImages":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def pictures(self, start: int, stop: int, source: str) -> Iterator[Picture | InputError]:
        """Read images `start` to `stop`; one that cannot be used gives its error. Ascending order is cheapest.

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
        if row < self._start or group > self._start + len(self._batch):
            self._start, self._batch, self._batches = group, pyarrow.array([]), self._read_from(self._starts.index(group))
        while row >= self._start + len(self._batch):
            self._start += len(self._batch)
            self._batch = next(self._batches)
        return self._batch[row - self._start]

    def _read_from(self, group: int) -> Iterator[Any]:
        """Read the column in batches, beginning with a row group."""
        groups = list(range(group, len(self._starts)))
        for batch in self._file.iter_batches(_ROWS, row_groups=groups, columns=[self._column]):
            column = batch.column(0)
            yield column.flatten()[0] if pyarrow.types.is_struct(column.type) else column


class ParquetTable:
    """A Parquet file that is written in batches."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        """Create a file with columns of these names and Arrow types."""
        self._schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in columns.items()])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)

    def write(self, rows: Mapping[str, Sequence[Any]]) -> None:
        """Append rows, given by columns; None is a null."""
        self._writer.write_table(pyarrow.table(dict(rows), schema=self._schema))

    def __enter__(self) -> "ParquetTable":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()  # writes the footer


def _column(path: Path, schema: Any, name: str | None) -> str:
    """The leaf of the schema with images.

    Raises:
        DataError: no column can represent images, several can, or the named one cannot.
    """
    leaves = {field.name: leaf for field in schema if (leaf := _leaf(field))}
    held = ", ".join(f"{field.name} ({' '.join(str(field.type).split())})" for field in schema)
    wanted = "binary images, a struct with a field bytes, or lists of 784 uint8"
    if name is not None:
        if name not in leaves:
            raise DataError(f"{path}: has no column {name!r} of images ({wanted}); it has {held}"[:1_000])
        return leaves[name]
    if not leaves:
        raise DataError(f"{path}: has no column of images ({wanted}); it has {held}"[:1_000])
    if len(leaves) > 1:
        raise DataError(f"{path}: has several columns of images; name one of {', '.join(f'{path}:{name}' for name in leaves)}")
    return next(iter(leaves.values()))


def _leaf(field: Any) -> str:
    """The leaf with a column's images; empty if its type cannot represent images."""
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
    """Read the picture of a row.

    Raises:
        ImageError: it is null, or not an image.
    """
    if not value.is_valid:
        raise ImageError(f"{source}: is null, expected an image")
    if _is_binary(value.type):
        return read_picture(source, BytesIO(value.as_py()))
    pixels = value.values
    if len(pixels) != SIDE * SIDE or pixels.null_count:
        raise ImageError(f"{source}: has {len(pixels) - pixels.null_count} values, expected 784")
    return array_picture(pixels.to_numpy().reshape(SIDE, SIDE))


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.strerror and error.errno:
        return DataError(f"{path}: cannot be read ({error.strerror})")
    return DataError(f"{path}: is not a Parquet file, or is damaged ({' '.join(str(error).split())[:200]})")
