"""Data sets from every accepted source, and clear errors for others."""

import gzip
import hashlib
import io
import sys
import tempfile
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import DataError
from tests.conftest import invent_digits
from tests.samples import IDX_NAMES, arrays_of, write_idx_folder, write_npz
from train.data import Dataset, dataset, load_dataset

Arrays = dict[str, Any]

TINY = dict(zip(("x_train", "y_train", "x_test", "y_test"), (*invent_digits(20, 1), *invent_digits(10, 2)), strict=True))


def _npz_bytes(save: Callable[..., None], arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    save(stream, **arrays)
    return stream.getvalue()


STORED, DEFLATED = (_npz_bytes(save, TINY) for save in (np.savez, np.savez_compressed))


def test_the_embedded_mnist_is_the_published_one(mnist: Dataset) -> None:
    """Shapes, class counts and hash are those of the original 60,000 and 10,000 images."""
    assert (mnist.source, mnist.x_train.shape, mnist.x_test.shape, mnist.classes) == (
        "MNIST",
        (60_000, 28, 28),
        (10_000, 28, 28),
        10,
    )
    assert np.bincount(mnist.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (mnist.x_train.min(), mnist.x_train.max()) == (0, 255)
    assert mnist.sha256 == "79e46ba7dd21a1cd579a3d83a44ea1b328bd8966da2f2ff81de68e9fc128679b"


def test_the_embedded_mnist_has_the_values_of_the_original_files(mnist: Dataset) -> None:
    """The hashes of the values equal those of the IDX files in the README beside it, without headers."""
    header = bytes.fromhex("00000803 0000ea60 0000001c 0000001c")
    found = hashlib.sha256(header + mnist.x_train.tobytes()).hexdigest()
    assert found == "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"


def test_mnist_names_its_authors_and_other_data_does_not(mnist: Dataset, invented: Dataset) -> None:
    """The attribution depends on the content, not on the name."""
    assert "Yann LeCun and Corinna Cortes, CC BY-SA 3.0" in Dataset("other name", **arrays_of(mnist)).attribution
    assert invented.attribution == ""


def test_an_npz_comes_back_as_it_was_written(tmp_path: Path, invented: Dataset) -> None:
    """The four arrays, the hash, and the path as source."""
    path = write_npz(tmp_path / "own.npz", arrays_of(invented))
    found = load_dataset(path)
    assert (found.source, found.sha256) == (str(path), invented.sha256)
    assert all(np.array_equal(getattr(found, name), array) for name, array in arrays_of(invented).items())


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_of_idx_files_is_the_same_data_set(tmp_path: Path, invented: Dataset, zipped: bool) -> None:
    """The source of the arrays does not change their hash."""
    assert load_dataset(write_idx_folder(tmp_path, arrays_of(invented), zipped=zipped)).sha256 == invented.sha256


def test_idx_files_may_have_the_names_of_mnists_relatives(tmp_path: Path, invented: Dataset) -> None:
    """Such as `emnist-digits-train-images.idx3-ubyte` and `...-test-images...`."""
    write_idx_folder(tmp_path, arrays_of(invented))
    for file in IDX_NAMES.values():
        (tmp_path / file).rename(tmp_path / f"emnist-digits-{file.replace('t10k', 'test').replace('-idx', '.idx')}")
    assert load_dataset(tmp_path).sha256 == invented.sha256


def test_the_hash_depends_on_every_array(invented: Dataset) -> None:
    """One other pixel or label anywhere gives another hash."""
    hashes = {invented.sha256}
    for name in IDX_NAMES:
        arrays = {**arrays_of(invented), name: getattr(invented, name).copy()}
        arrays[name].flat[0] ^= 1
        hashes.add(Dataset("changed", **arrays).sha256)
    assert len(hashes) == 5


def test_head_keeps_the_first_images(invented: Dataset) -> None:
    """Images and labels alike, under the same name."""
    head = invented.test.head(7)
    assert (head.name, len(head)) == ("test", 7)
    np.testing.assert_array_equal(head.images, invented.x_test[:7])
    np.testing.assert_array_equal(head.labels, invented.y_test[:7])


def _fake_keras(monkeypatch: pytest.MonkeyPatch, load_data: Callable[[], Any]) -> None:
    modules = {name: types.ModuleType(name) for name in ("keras", "keras.datasets", "keras.datasets.mnist")}
    modules["keras.datasets.mnist"].load_data = load_data
    modules["keras.datasets"].mnist = modules["keras.datasets.mnist"]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(dataset, "EMBEDDED_MNIST", Path("/nowhere/mnist.npz"))


def test_without_the_embedded_file_keras_is_asked(monkeypatch: pytest.MonkeyPatch, invented: Dataset) -> None:
    """An installed wheel has no mnist.npz; the source then says where the images came from."""
    _fake_keras(monkeypatch, lambda: ((invented.x_train, invented.y_train), (invented.x_test, invented.y_test)))
    assert (load_dataset().source, load_dataset().sha256) == ("keras.datasets.mnist", invented.sha256)


def test_a_download_that_fails_is_a_data_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message keeps the cause and says what to do without a network."""

    def fail() -> Any:
        raise Exception("URL fetch failure")  # what Keras raises

    _fake_keras(monkeypatch, fail)
    with pytest.raises(DataError, match=r"Keras could not fetch it \(URL fetch failure\); give --data"):
        load_dataset()


def test_without_the_embedded_file_and_without_keras_data_has_to_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is on a device."""
    monkeypatch.setattr(dataset, "EMBEDDED_MNIST", Path("/nowhere/mnist.npz"))
    monkeypatch.setitem(sys.modules, "keras.datasets", None)
    with pytest.raises(DataError, match="no embedded MNIST in this installation, and no Keras to fetch it; give --data"):
        load_dataset()


WRONG_ARRAYS: dict[str, tuple[Arrays, str]] = {
    "other lengths": ({"y_train": TINY["y_train"][:-1]}, "20 train images but 19 train labels"),
    "other test lengths": ({"x_test": TINY["x_test"][:3]}, "3 test images but 10 test labels"),
    "flat images": ({"x_train": TINY["x_train"].reshape(20, 784)}, r"x_train is uint8 \[20, 784\], expected uint8 \[N, 28, 28\]"),
    "colour": ({"x_test": TINY["x_test"][..., None]}, r"x_test is uint8 \[10, 28, 28, 1\], expected uint8 \[N, 28, 28\]"),
    "other size": ({"x_train": np.zeros((20, 32, 32), np.uint8)}, r"x_train is uint8 \[20, 32, 32\]"),
    "float images": ({"x_train": TINY["x_train"] / 255}, r"x_train is float64 \[20, 28, 28\], expected uint8 \[N, 28, 28\]"),
    "int64 labels": ({"y_train": TINY["y_train"].astype(np.int64)}, r"y_train is int64 \[20\], expected uint8 \[N\]"),
    "one-hot labels": ({"y_test": np.eye(10, dtype=np.uint8)}, r"y_test is uint8 \[10, 10\], expected uint8 \[N\]"),
    "no test images": ({"x_test": TINY["x_test"][:0], "y_test": TINY["y_test"][:0]}, "no test images"),
    "no train images": ({"x_train": TINY["x_train"][:0], "y_train": TINY["y_train"][:0]}, "no train images"),
    "one class": (
        {"y_train": np.zeros(20, np.uint8)},
        "the training split, without the last images \\(validation\\), has one class, expected at least two",
    ),
    "class left out": (
        {"y_train": np.where(TINY["y_train"] == 4, 5, TINY["y_train"]).astype(np.uint8)},
        "no image of the training split has label 4",
    ),
    "unknown class": (
        {"y_test": np.full(10, 200, np.uint8)},
        "test label 200 is outside the classes 0 to 9 of the training labels",
    ),
    "sorted downwards": (
        {"y_train": np.sort(TINY["y_train"])[::-1]},
        "training labels are in the order of their classes.*shuffle them",
    ),
    "class by class": (
        {"y_train": np.roll(np.sort(TINY["y_train"]), int(np.sum(TINY["y_train"] == 0)))},
        "training labels are in the order of their classes.*shuffle them",
    ),
    "sorted": ({"y_train": np.sort(TINY["y_train"])}, "training labels are in ascending order.*shuffle them"),
}


@pytest.mark.parametrize("case", WRONG_ARRAYS)
def test_arrays_that_cannot_be_a_data_set_are_data_errors(tmp_path: Path, case: str) -> None:
    """From arrays as from a file; the message begins with the source and names what is wrong."""
    changes, message = WRONG_ARRAYS[case]
    with pytest.raises(DataError, match=f"^here: .*{message}"):
        Dataset("here", **{**TINY, **changes})
    path = write_npz(tmp_path / "bad.npz", {**TINY, **changes})
    with pytest.raises(DataError, match=f"^{path}: .*{message}"):
        load_dataset(path)


@pytest.mark.parametrize("missing", IDX_NAMES)
def test_a_missing_array_is_named(tmp_path: Path, missing: str) -> None:
    """And so are those that are there."""
    held = {name: array for name, array in TINY.items() if name != missing}
    with pytest.raises(DataError, match=f"lacks {missing}; it contains {', '.join(held)}$"):
        load_dataset(write_npz(tmp_path / "bad.npz", held))


def test_an_empty_npz_holds_nothing(tmp_path: Path) -> None:
    """The message says so."""
    with pytest.raises(DataError, match="lacks x_train, y_train, x_test, y_test; it contains no arrays"):
        load_dataset(write_npz(tmp_path / "empty.npz", {}))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    """Not even looked into: loading them would run a stranger's code."""

    class Trap:
        def __reduce__(self) -> Any:
            return pytest.fail, ("the pickle was loaded",)

    path = write_npz(tmp_path / "bad.npz", {**TINY, "y_test": np.array([Trap()], object)})
    with pytest.raises(DataError, match="contains pickled objects, which are never loaded"):
        load_dataset(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", STORED[: len(STORED) // 2], DEFLATED[:-30]])
def test_a_file_that_is_no_whole_npz_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    """Empty, text, or cut off."""
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^{path}: .*truncated"):
        load_dataset(path)


def test_an_entry_that_is_no_array_is_a_data_error(tmp_path: Path) -> None:
    """A ZIP with the right names and other content is a damaged .npz."""
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in IDX_NAMES:
            archive.writestr(f"{name}.npy", "hello, I am no array")
    with pytest.raises(DataError, match=r"damaged \.npz file"):
        load_dataset(path)


def _zip_of(changes: Callable[[bytes], bytes]) -> bytes:
    """An .npz, not deflated, whose entries are the arrays' .npy files after `changes`; all checksums are right."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in TINY.items():
            entry = io.BytesIO()
            np.save(entry, array)
            archive.writestr(f"{name}.npy", changes(entry.getvalue()))
    return stream.getvalue()


@pytest.mark.parametrize(
    "header",
    [
        lambda npy: npy.replace(b"}", b"("),
        lambda npy: npy.replace(b"(20,", b"(-1,"),
        lambda npy: npy.replace(b"(20, 28, 28), }         ", b"(" + b"9" * 21 + b",)}"),
        lambda npy: npy.replace(b"'descr'", b"'dwarf'"),
    ],
    ids=["open bracket", "negative", "huge", "other keys"],
)
def test_an_array_whose_header_makes_no_sense_is_a_data_error(header: Callable[[bytes], bytes]) -> None:
    """Also where every checksum is right, so that numpy is the first to notice."""
    with pytest.raises(DataError, match="damaged"):
        _load(_zip_of(header))


def test_the_checksum_is_compared_even_where_more_follows_the_array() -> None:
    """A changed pixel is told also if its entry is longer than numpy needs to read."""
    content = bytearray(_zip_of(lambda npy: npy + b"more"))
    assert _load(bytes(content)).sha256 == Dataset("tiny", **TINY).sha256
    content[content.index(TINY["x_train"].tobytes()) + 5_000] ^= 255
    with pytest.raises(DataError, match="Bad CRC-32"):
        _load(bytes(content))


@settings(max_examples=60)
@given(st.sampled_from([STORED, DEFLATED]), st.data())
def test_an_npz_cut_off_anywhere_is_a_data_error(whole: bytes, data: st.DataObject) -> None:
    """No prefix of the file is taken for a data set."""
    with pytest.raises(DataError, match=r"truncated|damaged"):
        _load(whole[: data.draw(st.integers(0, len(whole) - 1))])


@settings(max_examples=300)
@given(st.sampled_from([STORED, DEFLATED]), st.integers(0, 1 << 30), st.integers(1, 255))
@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing:UserWarning")
def test_a_flipped_byte_of_an_npz_is_harmless_or_a_data_error(whole: bytes, position: int, flip: int) -> None:
    """Never other values, never another kind of error, no file left open."""
    content = bytearray(whole)
    content[position % len(whole)] ^= flip
    try:
        found = _load(bytes(content))
    except DataError:
        return
    assert found.sha256 == Dataset("tiny", **TINY).sha256


@pytest.mark.parametrize("field", [6, 8, 10], ids=["version", "flags", "method"])
def test_an_encrypted_or_strangely_packed_npz_is_a_data_error(field: int) -> None:
    """A version, flag or compression method that zipfile does not know ends in our error, not in its own."""
    content = bytearray(DEFLATED)
    content[content.index(b"PK\x01\x02") + field] ^= 0x41  # in the first entry of the central directory
    with pytest.raises(DataError, match=r"truncated or damaged"):
        _load(bytes(content))


def _load(content: bytes) -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        path.write_bytes(content)
        return load_dataset(path)


def test_a_path_that_is_not_there_says_what_to_give(tmp_path: Path) -> None:
    """The message names the path and the two kinds of input."""
    with pytest.raises(DataError, match=f"^{tmp_path}/gone: no such file or folder; give an .npz file or a folder of IDX files$"):
        load_dataset(tmp_path / "gone")


@pytest.mark.parametrize("file", IDX_NAMES.values())
def test_a_folder_without_one_of_the_idx_files_says_which(tmp_path: Path, file: str) -> None:
    """An empty folder ends in the same error."""
    write_idx_folder(tmp_path, TINY)
    (tmp_path / file).unlink()
    with pytest.raises(DataError, match=rf"expected one {file[:-11]}-idx\*-ubyte\[.gz\] file, found none"):
        load_dataset(tmp_path)


def test_a_folder_with_a_file_twice_is_ambiguous(tmp_path: Path) -> None:
    """Gzipped beside unpacked: which of them is meant is not guessed, both are named."""
    write_idx_folder(tmp_path, TINY)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"other images"))
    with pytest.raises(DataError, match=r"found train-images-idx3-ubyte, train-images-idx3-ubyte\.gz"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_truncated_idx_file_in_a_folder_is_named(tmp_path: Path, zipped: bool) -> None:
    """The message begins with the file, not with the folder."""
    write_idx_folder(tmp_path, TINY, zipped=zipped)
    path = tmp_path / ("t10k-images-idx3-ubyte" + ".gz" * zipped)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"^{path}: .*truncated"):
        load_dataset(tmp_path)


def test_labels_where_images_should_be_are_a_data_error(tmp_path: Path) -> None:
    """An IDX file of the wrong number of dimensions is told by its shape."""
    write_idx_folder(tmp_path, {**TINY, "x_train": TINY["y_train"]})
    with pytest.raises(DataError, match=r"x_train is uint8 \[20\], expected uint8 \[N, 28, 28\]"):
        load_dataset(tmp_path)
