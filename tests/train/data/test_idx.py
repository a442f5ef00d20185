"""IDX files: what is written comes back, and nothing but the right array or a DataError ever comes of damaged bytes."""

import gzip
import os
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from edge_runtime.errors import DataError
from tests.samples import idx_bytes
from train.data.idx import read_idx

ARRAYS = arrays(np.uint8, array_shapes(max_dims=4, max_side=6))
IMAGES = idx_bytes(np.arange(2 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(2, 28, 28))


def _read(content: bytes) -> NDArray[np.uint8]:
    """What `read_idx` makes of a file with this content."""
    handle, name = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        return read_idx(Path(name))
    finally:
        Path(name).unlink()


@given(ARRAYS, st.booleans())
def test_any_array_comes_back_as_it_was_written(array: NDArray[np.uint8], zipped: bool) -> None:
    """Values, shape and dtype survive, gzipped or not."""
    content = idx_bytes(array)
    found = _read(gzip.compress(content) if zipped else content)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


@given(ARRAYS, st.booleans(), st.data())
def test_a_file_cut_off_anywhere_is_a_data_error(array: NDArray[np.uint8], zipped: bool, data: st.DataObject) -> None:
    """No prefix of a file is taken for a smaller data set."""
    content = gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array)
    length = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(DataError, match=r"truncated|too short"):
        _read(content[:length])


@given(ARRAYS, st.binary(min_size=1, max_size=9))
def test_bytes_behind_the_values_are_a_data_error(array: NDArray[np.uint8], rest: bytes) -> None:
    """More values than the header states are as wrong as fewer."""
    with pytest.raises(DataError, match="the file holds more"):
        _read(idx_bytes(array) + rest)


def _header(shape: list[int]) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


# Of three dimensions whose product fits, in any order; of some that seldom fit; and bytes that hardly ever are a header.
HEADERS = (
    st.permutations([2, 28, 28]).map(_header)
    | st.lists(st.sampled_from([1, 2, 4, 28, 56, 391, 393, 1_568, 1_576]), max_size=4).map(_header)
    | st.binary(min_size=4, max_size=20)
)


@given(HEADERS)
def test_a_damaged_header_gives_the_right_number_of_values_or_a_data_error(header: bytes) -> None:
    """Whatever stands in the header, an array comes back only if its shape is the stated one and all values are there."""
    content = header + IMAGES[len(header) :]
    try:
        found = _read(content)
    except DataError:
        return
    assert content == idx_bytes(found)


@given(st.integers(0, 15), st.integers(1, 255))
def test_a_flipped_header_byte_is_a_data_error(position: int, flip: int) -> None:
    """Each header byte of an image file matters: no other value of one of them describes the same file."""
    content = bytearray(IMAGES)
    content[position] ^= flip
    with pytest.raises(DataError):
        _read(bytes(content))


@settings(max_examples=50)
@given(st.lists(st.integers(1, 2**32 - 1), min_size=2, max_size=4), st.booleans())
def test_absurd_counts_are_a_data_error(counts: list[int], zipped: bool) -> None:
    """Counts whose product overflows 64 bits or memory are told as such, or as missing values."""
    counts[0] = max(counts[0], 2**31)
    counts[1] = max(counts[1], 2**31)
    content = bytes([0, 0, 8, len(counts)]) + struct.pack(f">{len(counts)}I", *counts)
    with pytest.raises(DataError, match="the header states"):
        _read(gzip.compress(content) if zipped else content)


@pytest.mark.parametrize("counts", [(2**32 - 1,) * 4, (2**16,) * 4, (2**31, 2, 2**31, 4), (0, 2**32 - 1, 2**32 - 1)])
def test_counts_that_wrap_around_64_bits_are_a_data_error(counts: tuple[int, ...]) -> None:
    """A product that is negative or 0 in 64-bit arithmetic does not pass for a count."""
    with pytest.raises(DataError, match="the header states"):
        _read(bytes([0, 0, 8, len(counts)]) + struct.pack(f">{len(counts)}I", *counts))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"too short for an IDX file \(0 bytes\)"),
        (b"\0\0\x08", r"too short for an IDX file \(3 bytes\)"),
        (b"\0\0\x08\x03\0\0", "truncated within its header"),
        (b"\0\0\x0d\x01\0\0\0\x01????", "wrong magic 0x00000d01; uint8 images start with 0x00000803, labels with 0x00000801"),
        (b"\x89PNG\r\n\x1a\n", "wrong magic 0x89504e47"),
        (b"\0\0\x08\x00", "wrong magic 0x00000800"),
        (b"\0\0\x08\x05" + bytes(20), "wrong magic 0x00000805"),
        (b"\0\0\x08\x01\0\0\0\x05abc", r"the header states 5 values \[5\], the file holds 3; is it truncated"),
        (b"\x1f\x8b is no gzip stream", "truncated or damaged gzip file"),
    ],
)
def test_each_kind_of_damage_has_its_own_message(content: bytes, message: str) -> None:
    """The message says what is wrong, with the value."""
    with pytest.raises(DataError, match=message):
        _read(content)


def test_a_damaged_checksum_of_a_gzipped_file_is_a_data_error() -> None:
    """One flipped bit in the compressed values does not go unnoticed."""
    content = bytearray(gzip.compress(IMAGES))
    content[-8] ^= 1
    with pytest.raises(DataError, match="truncated or damaged gzip file"):
        _read(bytes(content))


@pytest.mark.parametrize("name", ["missing", ""])
def test_a_file_that_cannot_be_opened_is_a_data_error(tmp_path: Path, name: str) -> None:
    """A missing file and a folder are named, with the system's reason."""
    with pytest.raises(DataError, match=rf"{tmp_path}.*cannot be read"):
        read_idx(tmp_path / name)
