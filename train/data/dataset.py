"""Data sets: the embedded MNIST, `.npz` files in the layout of Keras' mnist.npz, folders of IDX files."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.npz import read_arrays
from edge_runtime.common.pixels import SIDE
from edge_runtime.errors import DataError
from train.data.idx import read_idx
from train.data.splits import validation_count

EMBEDDED_MNIST = Path(__file__).with_name("mnist.npz")
MNIST_SHA256 = "79e46ba7dd21a1cd579a3d83a44ea1b328bd8966da2f2ff81de68e9fc128679b"
MNIST_ATTRIBUTION = "MNIST, (c) Yann LeCun and Corinna Cortes, CC BY-SA 3.0; derived from NIST data sets"
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class Split:
    """The images and labels of a split: uint8 [N, 28, 28] and uint8 [N]."""

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def head(self, count: int) -> "Split":
        """The first `count` images."""
        return Split(self.name, self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Dataset:
    """Training and test images of 28x28 pixels, 0 = background and 255 = ink.

    Made by `load_dataset`, or from arrays: uint8 [N, 28, 28] and uint8 [N].

    Raises:
        DataError: wrong shape or dtype, different lengths, an empty set, labels outside the classes, labels in order.
    """

    source: str
    x_train: NDArray[np.uint8] = field(repr=False)
    y_train: NDArray[np.uint8] = field(repr=False)
    x_test: NDArray[np.uint8] = field(repr=False)
    y_test: NDArray[np.uint8] = field(repr=False)

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            _check_part(self.source, part, getattr(self, f"x_{part}"), getattr(self, f"y_{part}"))
        _check_labels(self.source, self.train.labels, self.y_train, self.y_test)

    @property
    def classes(self) -> int:
        """Number of classes; labels are 0 to classes - 1."""
        return int(self.y_train.max()) + 1

    @property
    def train(self) -> Split:
        """The images to train on: all training images but the last ones, which are for validation."""
        count = len(self.y_train) - validation_count(len(self.y_train))
        return Split("train", self.x_train[:count], self.y_train[:count])

    @property
    def validation(self) -> Split:
        """The images for every choice: the last 5,000 training images of MNIST."""
        count = len(self.y_train) - validation_count(len(self.y_train))
        return Split("validation", self.x_train[count:], self.y_train[count:])

    @property
    def test(self) -> Split:
        """The images for the final evaluation, never for a choice."""
        return Split("test", self.x_test, self.y_test)

    @cached_property
    def sha256(self) -> str:
        """Hash of the names, shapes and values of the four arrays, independent of the file."""
        digest = hashlib.sha256()
        for name in _ARRAYS:
            array = getattr(self, name)
            digest.update(f"{name} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @property
    def attribution(self) -> str:
        """Attribution to pass on with images of this set; empty if unknown."""
        return MNIST_ATTRIBUTION if self.sha256 == MNIST_SHA256 else ""


def load_dataset(path: Path | None = None) -> Dataset:
    """Load a data set.

    Args:
        path: an `.npz` with x_train, y_train, x_test, y_test; or a folder of four IDX files (gzipped or not);
            None for the embedded MNIST, or where that is left out, Keras' own copy (which downloads it once).

    Raises:
        DataError: the file cannot be used; the message names the file and the cause.
    """
    if path is None:
        return _from_npz(EMBEDDED_MNIST, "MNIST") if EMBEDDED_MNIST.exists() else _from_keras()
    try:
        if path.is_dir():
            return _from_idx_folder(path)
        if not path.is_file():
            raise DataError(f"{path}: no such file or folder; give an .npz file or a folder of IDX files")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    return _from_npz(path, str(path))


def _from_npz(path: Path, source: str) -> Dataset:
    return Dataset(source, **read_arrays(path, _ARRAYS))


def _from_idx_folder(folder: Path) -> Dataset:
    def read(prefixes: str, kind: str) -> NDArray[np.uint8]:
        return read_idx(_only_match(folder, prefixes, kind))

    return Dataset(
        str(folder),
        x_train=read("train", "images"),
        y_train=read("train", "labels"),
        x_test=read("t10k|test", "images"),
        y_test=read("t10k|test", "labels"),
    )


def _only_match(folder: Path, prefixes: str, kind: str) -> Path:
    """The only file of a folder with a name like `train-images-idx3-ubyte` or `emnist-digits-train-images.idx3-ubyte.gz`."""
    found = sorted(
        path
        for prefix in prefixes.split("|")
        for ending in ("", ".gz")
        for path in folder.glob(f"*{prefix}-{kind}[-.]idx[13]-ubyte{ending}")
    )
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        wanted = prefixes.split("|", maxsplit=1)[0]
        raise DataError(f"{folder}: expected one {wanted}-{kind}-idx*-ubyte[.gz] file, found {names}")
    return found[0]


def _from_keras() -> Dataset:
    try:
        from keras.datasets import mnist
    except ModuleNotFoundError as error:
        raise DataError("no embedded MNIST in this installation, and no Keras to fetch it; give --data") from error
    try:
        (x_train, y_train), (x_test, y_test) = mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise DataError(f"no embedded MNIST in this installation, and Keras could not fetch it ({error}); give --data") from error
    return Dataset("keras.datasets.mnist", x_train, y_train, x_test, y_test)


def _check_part(source: str, part: str, images: Any, labels: Any) -> None:
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise DataError(f"{source}: x_{part} is {images.dtype} {list(images.shape)}, expected uint8 [N, 28, 28]")
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise DataError(f"{source}: y_{part} is {labels.dtype} {list(labels.shape)}, expected uint8 [N]")
    if len(images) != len(labels):
        raise DataError(f"{source}: {len(images):,} {part} images but {len(labels):,} {part} labels")
    if len(images) == 0:
        raise DataError(f"{source}: no {part} images")


def _check_labels(source: str, fitted: NDArray[np.uint8], train: NDArray[np.uint8], test: NDArray[np.uint8]) -> None:
    """Check labels; `fitted` are those of the training split, which must contain every class."""
    classes = np.unique(fitted)
    if 1 < len(np.unique(train)) == 1 + np.count_nonzero(train[1:] != train[:-1]):
        order = "ascending order" if np.all(train[:-1] <= train[1:]) else "the order of their classes"
        raise DataError(
            f"{source}: training labels are in {order}, so the last images (validation) have a single class; shuffle them"
        )
    if len(classes) < 2:
        raise DataError(f"{source}: the training split, without the last images (validation), has one class, expected at least two")
    missing = sorted(set(range(int(train.max()) + 1)) - set(classes.tolist()))
    if missing:
        raise DataError(f"{source}: labels go up to {train.max()}, but no image of the training split has label {missing[0]}")
    if test.max() > classes[-1]:
        raise DataError(f"{source}: test label {test.max()} is outside the classes 0 to {classes[-1]} of the training labels")
