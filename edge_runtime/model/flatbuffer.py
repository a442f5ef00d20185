"""A bounds-checked FlatBuffer reader: it checks every offset before following it, so a damaged file is an error, not a crash.

Format: https://flatbuffers.dev/internals. All numbers are little-endian. A table begins with a signed offset back to its vtable, which
contains the field offsets; strings and vectors begin with a 32-bit length.
"""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass


class DamagedFlatBuffer(ValueError):
    """An offset or a length points outside the file."""


@frozen_dataclass
class Table:
    """A table at `position` of `data`. Slots number the fields in the order of the schema, from 0."""

    data: bytes
    position: int

    @staticmethod
    def root(data: bytes) -> "Table":
        """The root table of a file."""
        return Table(data, _number(data, "<I", 0))

    def integer(self, slot: int, code: str, default: int = 0) -> int:
        """An integer field; `code` is a format of the struct module, such as `<i`."""
        position = self._field(slot)
        return default if position is None else _number(self.data, code, position)

    def table(self, slot: int) -> "Table | None":
        """A table field; None if it is absent."""
        position = self._field(slot)
        return None if position is None else Table(self.data, _follow(self.data, position))

    def tables(self, slot: int, at_most: int) -> "Iterator[Table]":
        """The tables of a vector field.

        Raises:
            DamagedFlatBuffer: there are more than `at_most`, or an offset points outside.
        """
        start, length = self._vector(slot, 4)
        if length > at_most:
            raise DamagedFlatBuffer(f"a list of {length:,} entries, expected at most {at_most:,}")
        for index in range(length):
            yield Table(self.data, _follow(self.data, start + 4 * index))

    def vector(self, slot: int, dtype: DTypeLike) -> "NDArray[np.generic]":
        """The numbers of a vector field, empty if it is absent: a read-only view of the file's bytes."""
        item = np.dtype(dtype)
        start, length = self._vector(slot, item.itemsize)
        return np.frombuffer(self.data, item, length, start) if length else np.empty(0, item)

    def place(self, slot: int) -> tuple[int, int]:
        """Position and length of a vector of 32-bit numbers or tables; (0, 0) if it is absent."""
        return self._vector(slot, 4)

    def text(self, slot: int) -> str:
        """A string field, empty if it is absent."""
        return self.vector(slot, np.uint8).tobytes().decode("utf-8", "replace")

    def _field(self, slot: int) -> int | None:
        vtable = self.position - _number(self.data, "<i", self.position)
        if slot * 2 + 6 > _number(self.data, "<H", vtable):
            return None
        offset = _number(self.data, "<H", vtable + 4 + slot * 2)
        return self.position + offset if offset else None

    def _vector(self, slot: int, item_size: int) -> tuple[int, int]:
        position = self._field(slot)
        if position is None:
            return 0, 0
        start = _follow(self.data, position)
        length = _number(self.data, "<I", start)
        if start + 4 + length * item_size > len(self.data):
            raise DamagedFlatBuffer(f"a list of {length:,} entries ends after the end of the file")
        return start + 4, length


def _number(data: bytes, code: str, position: int) -> int:
    if position < 0 or position + struct.calcsize(code) > len(data):
        raise DamagedFlatBuffer(f"offset {position:,} is outside the file ({len(data):,} bytes)")
    (value,) = struct.unpack_from(code, data, position)
    return int(value)


def _follow(data: bytes, position: int) -> int:
    return position + _number(data, "<I", position)
