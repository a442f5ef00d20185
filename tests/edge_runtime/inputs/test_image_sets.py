"""Files of many images: numpy's and Parquet, those that fit, those that do not, and damaged ones."""

import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_runtime.errors import DataError, InputError, MissingPackage
from edge_runtime.inputs.image_sets import ImageSet, find_image_set
from edge_runtime.preprocessing.image_files import Picture, png_bytes
from tests.commands import digits, one_line
from tests.conftest import invent_digits
from train.data import Dataset

COUNT = 80  # more than a row group
IMAGES = invent_digits(COUNT, seed=3)[0]
Save = Callable[[Path, NDArray[np.uint8]], object]


def _as_column(path: Path, values: object, kind: object, group: int = 64) -> Path:
    pyarrow.parquet.write_table(
        pyarrow.table({"label": [1] * COUNT, "pixels": pyarrow.array(values, kind)}), path, row_group_size=group
    )
    return path


def _encoded(images: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """As Hugging Face has it."""
    return [{"bytes": png_bytes(image), "path": None} for image in images]


WAYS: dict[str, Callable[[Path], Path]] = {
    "images.npy": lambda path: np.save(path, IMAGES) or path,
    "stored.npz": lambda path: np.savez(path, pixels=IMAGES, labels=np.arange(COUNT)) or path,
    "packed.npz": lambda path: np.savez_compressed(path, pixels=IMAGES) or path,
    "lists.parquet": lambda path: _as_column(path, list(IMAGES.reshape(COUNT, -1)), pyarrow.list_(pyarrow.uint8())),
    "fixed.parquet": lambda path: _as_column(path, list(IMAGES.reshape(COUNT, -1)), pyarrow.list_(pyarrow.uint8(), 784), group=7),
    "one-group.parquet": lambda path: _as_column(path, _encoded(IMAGES), None, group=COUNT),
    "binary.parquet": lambda path: _as_column(path, [png_bytes(image) for image in IMAGES], pyarrow.large_binary(), group=1),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImageSet]:
    """The same images in each way, found by their names."""
    folder = tmp_path_factory.mktemp("stored")
    found = {name: find_image_set(str(write(folder / name))) for name, write in WAYS.items()}
    return {name: stored for name, stored in found.items() if stored}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(ranges=st.lists(st.tuples(st.integers(0, COUNT), st.integers(0, COUNT)), max_size=3))
def test_any_ranges_in_any_order_are_the_images_there(files: dict[str, ImageSet], way: str, ranges: list[tuple[int, int]]) -> None:
    """One file that stays open, read forwards, backwards and again."""
    assert files[way].count == COUNT
    with files[way].open() as images:
        for first, second in ranges:
            start, stop = sorted((first, second))
            found = list(images.pictures(start, stop, "here"))
            assert all(isinstance(picture, Picture) for picture in found)
            assert np.array_equal([picture.image for picture in found], IMAGES[start:stop]) or start == stop == start + len(found)


@pytest.mark.parametrize("way", WAYS)
def test_classify_answers_each_image_of_a_file(files: dict[str, ImageSet], way: str) -> None:
    """A line for each, under the name as given and its position; the array or the column may be named."""
    word = str(files[way].path)
    lines = digits("classify", word).out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{word}[{row}]" for row in range(COUNT)]
    if not word.endswith(".npy"):
        named = digits("classify", f"{word}:pixels").out.splitlines()
        assert [line.partition(": ")[2] for line in named] == [line.partition(": ")[2] for line in lines]


def test_real_digits_are_read_from_the_embedded_mnist(tmp_path: Path, mnist: Dataset) -> None:
    """Nine and a half of ten, at the least."""
    np.savez_compressed(tmp_path / "some.npz", x_test=mnist.x_test[:500], y_test=mnist.y_test[:500])
    answers = digits("classify", tmp_path / "some.npz").out.splitlines()
    right = sum(line.split(": ")[1].split()[0] == str(label) for line, label in zip(answers, mnist.y_test[:500], strict=True))
    assert right >= 475


def test_several_arrays_are_an_error_that_names_them(tmp_path: Path) -> None:
    """And so is one that is not there; with the name, it is read."""
    np.savez(tmp_path / "two.npz", train=IMAGES, test=IMAGES[:3], labels=np.arange(3))
    line = one_line(digits("classify", tmp_path / "two.npz"), 4)
    assert f"name one of {tmp_path}/two.npz:train, {tmp_path}/two.npz:test" in line
    line = one_line(digits("classify", f"{tmp_path}/two.npz:validation"), 4)
    assert "train (uint8 [80, 28, 28]), test (uint8 [3, 28, 28]), labels (int64 [3])" in line
    assert "is int64 [3], expected uint8 [N, 28, 28]" in one_line(digits("classify", f"{tmp_path}/two.npz:labels"), 4)
    assert digits("classify", f"{tmp_path}/two.npz:test").out.count("\n") == 3


def test_several_columns_are_an_error_that_names_them(tmp_path: Path) -> None:
    """And so is a table without any, with what it has."""
    path = tmp_path / "two.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [b"x"], "b": [b"y"], "c": [1]}), path)
    assert f"name one of {path}:a, {path}:b" in one_line(digits("classify", path), 4)
    assert "it has a (binary), b (binary), c (int64)" in one_line(digits("classify", f"{path}:c"), 4)
    pyarrow.parquet.write_table(pyarrow.table({"c": [1], "d": ["x"]}), path)
    assert "no column of images" in one_line(digits("classify", path), 4)


def test_rows_that_hold_no_image_are_told_and_the_others_answered(tmp_path: Path) -> None:
    """Nothing there, no picture, too few pixels, a pixel missing: a line for each, exit 4."""
    pictures = [
        *_encoded(IMAGES[:1]),
        None,
        {"bytes": b"broken", "path": "x"},
        {"bytes": None, "path": "x"},
        *_encoded(IMAGES[1:2]),
    ]
    pyarrow.parquet.write_table(pyarrow.table({"image": pictures}), tmp_path / "p.parquet")
    answer = digits("classify", tmp_path / "p.parquet")
    assert (answer.code, answer.out.count("\n")) == (4, 2)
    assert [line.split("parquet", 1)[1] for line in answer.err.splitlines()] == [
        "[1]: is null, expected an image",
        "[2]: is not a PNG, JPEG, BMP, GIF, WebP or TIFF image",
        "[3]: is null, expected an image",
    ]
    values = [[0] * 784, [0] * 783, [None] + [0] * 783, []]
    pyarrow.parquet.write_table(
        pyarrow.table({"pixels": pyarrow.array(values, pyarrow.list_(pyarrow.uint8()))}), tmp_path / "v.parquet"
    )
    answer = digits("classify", tmp_path / "v.parquet")
    assert (answer.code, answer.out.count("\n")) == (4, 1)
    assert [line.split(": ")[-1] for line in answer.err.splitlines()] == [
        f"has {count} values, expected 784" for count in (783, 783, 0)
    ]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{}, 1], object), "is pickled objects [2], expected uint8"),
        (IMAGES.astype(np.float32) / 255, "is float32 [80, 28, 28], expected uint8"),
        (IMAGES.reshape(COUNT, 784), "is uint8 [80, 784], expected uint8"),
        (IMAGES[0], "is uint8 [28, 28], expected uint8"),
        (np.uint8(3), "is uint8 [], expected uint8"),
        (np.asfortranarray(IMAGES), "is uint8 [80, 28, 28] in column order, expected uint8"),
        (IMAGES[:0], "contains no images"),
        (np.zeros(3, [("x", "u1")]), "expected uint8"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path: Path, array: NDArray[Any], message: str) -> None:
    """Each in one line that says what it is; a pickle is never opened."""
    np.save(tmp_path / "a.npy", array)
    assert message in one_line(digits("classify", tmp_path / "a.npy"), 4)
    np.savez(tmp_path / "a.npz", a=array)
    assert "a.npz: " in one_line(digits("classify", tmp_path / "a.npz"), 4)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_refused(files: dict[str, ImageSet], way: str, share: float, tmp_path: Path) -> None:
    """Before anything of it is answered."""
    content = files[way].path.read_bytes()
    (tmp_path / way).write_bytes(content[: int(share * len(content))])
    assert str(tmp_path / way) in one_line(digits("classify", tmp_path / way), 4)


@pytest.mark.parametrize("way", ["images.npy", "stored.npz", "packed.npz", "fixed.parquet", "one-group.parquet"])
@settings(max_examples=60)
@given(data=st.data())
def test_mutated_files_end_in_images_or_in_an_error_of_ours(files: dict[str, ImageSet], way: str, data: st.DataObject) -> None:
    """Some bytes changed, most of them where the file says what it holds."""
    content = bytearray(files[way].path.read_bytes())
    edges = st.integers(-300, 300).map(lambda place: place % len(content))
    places = edges | st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=6)):
        content[place] = value
    path = files[way].path.with_name(f"mutated-{way}")
    path.write_bytes(content)
    try:
        stored = find_image_set(str(path))
        assert stored
        with stored.open() as images:
            for picture in images.pictures(0, min(stored.count, 300), "here"):
                assert isinstance(picture, InputError) or picture.image.shape == (28, 28)
    except DataError:
        return


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    """No arrays, a folder in it, a member that is no array, a name that is there twice."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "contains no arrays" in one_line(digits("classify", path), 4)
    stream = io.BytesIO()
    np.save(stream, IMAGES)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad.npy", b"\x93NUMPY")
        archive.writestr("good.npy", stream.getvalue())
    assert digits("classify", path).out.count("\n") == COUNT
    assert "bad (damaged)" in one_line(digits("classify", f"{path}:ugly"), 4)


def test_a_file_that_has_changed_since_it_was_looked_at_is_refused(tmp_path: Path) -> None:
    """As on a worker that sees another one."""
    np.save(tmp_path / "a.npy", IMAGES)
    stored = find_image_set(str(tmp_path / "a.npy"))
    assert stored
    np.save(tmp_path / "a.npy", IMAGES[:5])
    with pytest.raises(DataError, match="has 5 images, expected 80"):
        stored.open()


@pytest.mark.parametrize("word", ["a.png", "folder", "scheme:name", "a:b:c", "x.npy:y", "a.npz:", ":", ""])
def test_other_words_are_other_files(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of that very name goes before a name in a file; a folder is one, whatever it is called."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy:y").write_bytes(b"")
    (tmp_path / "a.npz:").write_bytes(b"")
    assert find_image_set(word) is None
    (tmp_path / "folder.npy").mkdir()
    assert find_image_set("folder.npy") is None


def test_without_pyarrow_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before anything is read or written."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "edge_runtime.inputs.parquet", raising=False)
    with pytest.raises(MissingPackage, match=r"pip install '\.\[parquet\]'"):
        find_image_set("images.parquet")
    np.save(tmp_path / "a.npy", IMAGES)
    assert ".[parquet]" in one_line(digits("classify", tmp_path / "a.npy", "--out", tmp_path / "a.parquet"), 1)
