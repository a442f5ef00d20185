"""Fixtures of the tests of `benchmarks`: a real benchmark of two real files, by the command, that several tests look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scenarios import photo
from tests.commands import Answer, digits
from tests.samples import arrays_of
from train.data import Dataset


@dataclass(frozen=True)
class Bench:
    """What `digits bench` printed and wrote."""

    out: Path
    answer: Answer
    words: tuple[str, ...]


@pytest.fixture(scope="session", autouse=True)
def _small_photos() -> Iterator[None]:
    """A hundredth of a phone's photo: what is tested is not how long it takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photo, "SIZE", (403, 302))
        yield


@pytest.fixture(scope="session")
def slice_file(mnist_slice: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data that the fixture cnn_files was converted with."""
    path = tmp_path_factory.mktemp("data") / "slice.npz"
    np.savez(path, **arrays_of(mnist_slice))
    return path


@pytest.fixture(scope="session")
def bench(cnn_files: dict[str, Path], slice_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """30 samples of the int8 and the fp32 file on the board "Pi 4/B"."""
    out = tmp_path_factory.mktemp("results")
    words = (
        "bench",
        cnn_files["int8"],
        cnn_files["fp32"],
        "--data",
        slice_file,
        "--samples",
        30,
        "--board",
        "Pi 4/B",
        "--out",
        out,
    )
    return Bench(out, digits(*words), tuple(map(str, words)))
