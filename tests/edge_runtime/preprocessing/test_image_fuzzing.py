"""Damaged, forged and huge image files: a picture or an error of ours, within the limits that docs/classify.md states.

Each may take ten seconds, and 400 MiB on top of what the process has.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import ImageError
from edge_runtime.preprocessing.image_files import read_picture
from tests.conftest import draw_digit
from tests.edge_runtime.limits import in_time, within_memory
from tests.photos import invent_scene, jpeg_bytes, photograph

BYTES = 400 * 2**20


def _encoded(image: PIL.Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _files() -> dict[str, bytes]:
    """A digit on paper, as each format and kind of pixels has it."""
    small = PIL.Image.fromarray(255 - draw_digit(7)).resize((70, 90))
    deep = PIL.Image.fromarray(np.asarray(small).astype(np.uint16) * 257)
    deepest = PIL.Image.fromarray(np.asarray(small).astype(np.int32) * 70_000)
    turned = PIL.Image.Exif()
    turned[274] = 6
    return {
        "PNG": _encoded(small, "PNG"),
        "PNG with a palette": _encoded(small.convert("P"), "PNG", transparency=3),
        "PNG of 16 bits": _encoded(deep, "PNG"),
        "PNG of one bit": _encoded(small.convert("1"), "PNG"),
        "PNG with opacity": _encoded(small.convert("RGBA"), "PNG"),
        "PNG that moves": _encoded(small, "PNG", save_all=True, append_images=[small.rotate(90)]),
        "JPEG": _encoded(small, "JPEG", quality=60),
        "progressive JPEG": _encoded(small.convert("RGB"), "JPEG", progressive=True, exif=turned),
        "JPEG of inks": _encoded(small.convert("CMYK"), "JPEG"),
        "photo": jpeg_bytes(photograph(draw_digit(7), invent_scene(0))),
        "BMP": _encoded(small, "BMP"),
        "BMP with colours": _encoded(small.convert("RGB"), "BMP"),
        "GIF": _encoded(small, "GIF"),
        "GIF that moves": _encoded(small, "GIF", save_all=True, append_images=[small.rotate(90)]),
        "WebP": _encoded(small.convert("RGBA"), "WEBP"),
        "WebP without loss": _encoded(small.convert("RGB"), "WEBP", lossless=True),
        "WebP that moves": _encoded(small, "WEBP", save_all=True, append_images=[small.rotate(90)]),
        "TIFF": _encoded(small, "TIFF", compression="tiff_lzw"),
        "TIFF of inks": _encoded(small.convert("CMYK"), "TIFF", compression="tiff_adobe_deflate"),
        "TIFF of 16 bits": _encoded(deep, "TIFF"),
        "TIFF of 32 bits": _encoded(deepest, "TIFF"),
        "TIFF as a fax": _encoded(small.convert("1"), "TIFF", compression="group4"),
    }


FILES = _files()


def _mutated(content: bytes, dice: random.Random) -> bytes:
    """One to eight bytes or words changed, mostly near the beginning; a third of the files is cut off, doubled in part or lacks a part."""
    mutated = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        end = len(mutated) if dice.random() < 0.5 else min(len(mutated), 100)
        place = dice.randrange(end)
        if dice.random() < 0.2:
            word = struct.pack(dice.choice("<>") + "I", dice.choice([0, 1, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF]))
            mutated[place : place + 4] = word
        else:
            mutated[place] = dice.randrange(256)
    start, end = sorted(dice.randrange(len(mutated)) for _ in range(2))
    way = dice.randrange(9)
    if way < 3:
        mutated = [mutated[:start], mutated[:end] + mutated[start:], mutated[:start] + mutated[end:]][way]
    return _with_right_sums(bytes(mutated)) if dice.random() < 0.7 else bytes(mutated)


def _with_right_sums(content: bytes) -> bytes:
    """A PNG with the check sums that its chunks should have, so that a decoder looks at what is inside; anything else as it is."""
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        return content
    whole, place = bytearray(content), 8
    while place + 12 <= len(whole):
        (size,) = struct.unpack_from(">I", whole, place)
        end = place + 8 + size
        if end + 4 > len(whole):
            break
        struct.pack_into(">I", whole, end, zlib.crc32(whole[place + 4 : end]))
        place = end + 4
    return bytes(whole)


def _is_refused(content: bytes) -> bool:
    """Whether a file is; if not, it is a picture."""
    with in_time():
        try:
            assert read_picture("x", io.BytesIO(content)).image.shape == (28, 28)
        except ImageError:
            return True
    return False


def _refused(kind: str, count: int, seed: str = "") -> int:
    """How many of `count` damaged files are refused; all others are pictures."""
    dice, refused = random.Random(seed + kind), 0
    with within_memory(BYTES):
        for number in range(count):
            content = _mutated(FILES[kind], dice)
            try:
                refused += _is_refused(content)
            except BaseException as error:
                raise AssertionError(f"{kind}, number {number}, {seed!r}") from error
    return refused


@pytest.mark.parametrize("kind", FILES)
def test_undamaged_files_are_pictures(kind: str) -> None:
    """What follows would tell nothing otherwise."""
    assert _refused_as_it_is(kind) is False


def _refused_as_it_is(kind: str) -> bool:
    with within_memory(BYTES):
        return _is_refused(FILES[kind])


@pytest.mark.parametrize("kind", FILES)
def test_damaged_files_are_pictures_or_refused(kind: str) -> None:
    """Some hundred in all; there is no other kind of error, and no hang."""
    assert _refused(kind, 25) > 0


@pytest.mark.sweep
@pytest.mark.parametrize("kind", FILES)
def test_very_many_damaged_files_are_pictures_or_refused(kind: str) -> None:
    """Over 13,000 in all, others than in the quick test."""
    assert 0 < _refused(kind, 600, "slow ") < 600


STARTS = [
    b"",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"\xff\xd8\xff\xe1",
    b"BM",
    b"GIF89a",
    b"RIFF\0\0\0\0WEBPVP8X",
    b"RIFF\0\0\0\0WEBPVP8L",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(STARTS), st.binary(max_size=300))
def test_any_bytes_are_a_picture_or_refused(start: bytes, rest: bytes) -> None:
    """After the marks of a format, too, whether its check sums are right or not."""
    _is_refused(start + rest)
    _is_refused(_with_right_sums(start + rest))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_any_bytes_within_a_file_are_a_picture_or_refused(kind: str, data: st.DataObject) -> None:
    """Put over what is there, at any place."""
    content = FILES[kind]
    place = data.draw(st.integers(0, len(content)))
    _is_refused(content[:place] + (put := data.draw(st.binary(max_size=64))) + content[place + len(put) :])


LARGEST = (8_000, 7_990)
HUGE: dict[str, Callable[[], bytes]] = {
    "PNG with opacity": lambda: _encoded(PIL.Image.new("RGBA", LARGEST), "PNG", compress_level=1),
    "PNG of 16 bits": lambda: _encoded(PIL.Image.new("I;16", LARGEST), "PNG", compress_level=1),
    "TIFF of 32 bits": lambda: _encoded(PIL.Image.new("I", LARGEST), "TIFF", compression="tiff_lzw"),
    "progressive JPEG": lambda: _encoded(PIL.Image.new("RGB", LARGEST), "JPEG", progressive=True, subsampling=0),
    "wide PNG": lambda: _encoded(PIL.Image.new("L", (60_000, 1_000)), "PNG", compress_level=1),
    "WebP of 24 million pixels": lambda: _encoded(PIL.Image.new("RGBA", (6_000, 3_990)), "WEBP", method=0),
}


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in ("PNG with opacity", "progressive JPEG") else pytest.mark.slow) for kind in HUGE],
)
def test_the_largest_pictures_keep_to_the_limits(kind: str) -> None:
    """64 million pixels are read, with nothing on them; of WebP, whose decoder takes four times the memory, 24 million."""
    content = HUGE[kind]()
    with within_memory(BYTES), in_time():
        assert read_picture("x", io.BytesIO(content)).warnings == ("blank: no ink stands out from the paper",)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [("WEBP", "RGB", {"method": 0}), pytest.param("JPEG", "CMYK", {"progressive": True}, marks=pytest.mark.slow)],
)
def test_what_takes_more_memory_is_refused(kind: str, mode: str, options: dict[str, object]) -> None:
    """Before it is decoded: a WebP of 64 million pixels would take a gigabyte."""
    content = _encoded(PIL.Image.new(mode, LARGEST), kind, **options)
    with pytest.raises(ImageError, match="takes too much memory"):
        read_picture("x", io.BytesIO(content))


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("pattern", ["dots", "checks", "stripes", "specks", "squares"])
def test_textures_keep_to_the_limits(pattern: str, level: int, tmp_path: Path) -> None:
    """Thousands of pieces, lines everywhere: what gives the search for a digit the most to do."""
    y, x = np.mgrid[:1024, :1024]
    there = {
        "dots": (y % 8 < 3) & (x % 8 < 3),
        "checks": (y // 8 + x // 8) % 2 > 0,
        "stripes": x % 12 < 6,
        "specks": np.random.default_rng(0).random(y.shape) < 0.02,
        "squares": (y % 12 < 2) | (x % 12 < 2),
    }[pattern]
    content = _encoded(PIL.Image.fromarray(np.where(there, level, 255 - level).astype(np.uint8)), "PNG")
    with within_memory(BYTES):
        assert not _is_refused(content)
