"""Data files for the tests, written here and not by the code under test."""

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.data import Dataset

IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def arrays_of(data: Dataset) -> dict[str, NDArray[np.uint8]]:
    """The four arrays of a data set by name."""
    return {name: getattr(data, name) for name in IDX_NAMES}


def write_npz(path: Path, arrays: Mapping[str, Any]) -> Path:
    """An .npz in the layout of Keras' mnist.npz."""
    np.savez_compressed(path, **arrays)
    return path


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """The content of an IDX file of uint8 values."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx_folder(folder: Path, arrays: Mapping[str, NDArray[np.uint8]], *, zipped: bool = False) -> Path:
    """Four IDX files under the names that MNIST was published with."""
    folder.mkdir(exist_ok=True)
    for name, file in IDX_NAMES.items():
        content = idx_bytes(arrays[name])
        path = folder / (file + ".gz" * zipped)
        path.write_bytes(gzip.compress(content) if zipped else content)
    return folder
