"""Fixtures of all tests: invented digits for what must be quick, real MNIST and a really trained network for what must be true."""

import gc
import os
import random
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase
from numpy.typing import NDArray

from tests.samples import arrays_of, write_npz
from train.data import Dataset, load_dataset
from train.loop.threads import limit_threads

# Before TensorFlow is loaded. Two processes share the tests, and runs are compared bit for bit: the number of threads must not be what the
# test before this one left.
limit_threads(1)

ROOT = Path(__file__).parents[1]
FOUND = ROOT / ".found"  # examples that failed, each tried again first, until `make test-fuzz` and the others pass

# No test asserts times. The gate tries the same examples each time, and no others; elsewhere each run looks for new ones.
if os.environ.get("CI"):
    settings.register_profile("ours", deadline=None, derandomize=True, database=None)
else:
    settings.register_profile("ours", deadline=None, database=DirectoryBasedExampleDatabase(FOUND))
settings.load_profile("ours")

TRAINED_CNN = (
    ROOT / "tests" / "data" / "cnn.keras"
)  # `digits train cnn --seed 0` before version 0.1.0: 99.33 % of the validation images


def pytest_collection_finish() -> None:
    """What was imported stays until the end: the garbage collector need not go through a million objects of TensorFlow's each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)  # devices have no pytest-xdist
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors: for a sixth of their time, tests wait for servers, other processes and deadlines."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Every test finds Python's and numpy's own generators as it does alone, whatever ran before it; Keras draws its seeds from them."""
    random.seed(item.nodeid)
    np.random.seed(crc32(item.nodeid.encode()))  # noqa: NPY002  # the one that is shared


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how to run the tests in this order again; pytest -q says it nowhere."""
    if seed := config.getoption("randomly_seed", None):
        terminalreporter.write_line(f"in random order; --randomly-seed={seed} repeats it")


# Five by seven dots a digit, as on old displays.
_GLYPHS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "11111 00010 00100 00010 00001 10001 01110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)


def draw_digit(label: int, row: int = 3, column: int = 6, ink: int = 255) -> NDArray[np.uint8]:
    """An invented digit, uint8 [28, 28]: dots of 3x3 pixels with the upper left corner at (row, column)."""
    dots = np.array([[int(dot) for dot in line] for line in _GLYPHS[label].split()], np.uint8)
    image = np.zeros((28, 28), np.uint8)
    image[row : row + 21, column : column + 15] = np.kron(dots, np.full((3, 3), ink, np.uint8))
    return image


def invent_digits(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Digits at random places in random greys: uint8 [count, 28, 28] and uint8 [count], all classes equally often, in random order."""
    generator = np.random.RandomState(seed)
    labels = generator.permutation(np.arange(count) % 10).astype(np.uint8)
    places = zip(
        labels, generator.randint(0, 7, count), generator.randint(0, 13, count), generator.randint(150, 256, count), strict=True
    )
    return np.stack([draw_digit(int(label), row, column, ink) for label, row, column, ink in places]), labels


def for_all(data: Dataset) -> Dataset:
    """The same, whose arrays nobody can change: a test that tries fails itself, not one that comes after it."""
    for array in arrays_of(data).values():
        array.flags.writeable = False
    return data


@pytest.fixture(scope="session")
def invented() -> Dataset:
    """600 invented training digits (50 of them validation) and 200 test digits."""
    return for_all(Dataset("invented", *invent_digits(600, seed=1), *invent_digits(200, seed=2)))


@pytest.fixture(scope="session")
def data_file(invented: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The invented digits as an .npz."""
    return write_npz(tmp_path_factory.mktemp("data") / "invented.npz", arrays_of(invented))


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    """The embedded MNIST."""
    return for_all(load_dataset())


@pytest.fixture(scope="session")
def mnist_slice(mnist: Dataset) -> Dataset:
    """6,000 training images of real MNIST (500 of them validation) and 1,000 test images."""
    return Dataset("MNIST slice", mnist.x_train[-6000:], mnist.y_train[-6000:], mnist.x_test[:1000], mnist.y_test[:1000])


@pytest.fixture(scope="session")
def trained_cnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A really trained network as a stranger would bring it: a .keras file with no training.json beside it."""
    path = tmp_path_factory.mktemp("keras") / "cnn.keras"
    path.write_bytes(TRAINED_CNN.read_bytes())
    return path


def made_once(name: str, make: Callable[[Path], object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make` fills: in one process of pytest-xdist's, while the others wait for it. None of them may change it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            make(workshop := folder.with_name(f"{name}.part"))
            workshop.rename(folder)
    return folder


@pytest.fixture(scope="session")
def cnn_files(trained_cnn: Path, mnist_slice: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The trained network converted by every recipe: short recipe name to file.

    An environment without TensorFlow is given a folder of them, made elsewhere, by EDGE_DIGITS_CNN_FILES.
    """
    if made := os.environ.get("EDGE_DIGITS_CNN_FILES"):
        return {path.stem.removeprefix("cnn-"): path for path in Path(made).glob("cnn-*.tflite")}
    from convert.evaluation.gate import Limits
    from convert.export import export
    from convert.quantization.recipes import RECIPES
    from convert.settings import ConversionSettings

    def make(folder: Path) -> None:
        export(trained_cnn, mnist_slice, list(RECIPES.values()), folder, settings=ConversionSettings(Limits(5)))

    folder = made_once("cnn-files", make, tmp_path_factory)
    return {recipe.short: folder / recipe.file_name("cnn") for recipe in RECIPES.values()}


@pytest.fixture(scope="session")
def mlp_files(mnist_slice: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A dense network by every recipe: its layers are large enough to be quantised in ways that the small last one of cnn is not."""
    from convert.evaluation.gate import Limits
    from convert.export import export
    from convert.quantization.recipes import RECIPES
    from convert.settings import ConversionSettings
    from train.config.training_config import TrainingConfig
    from train.loop.trainer import train_run

    def make(folder: Path) -> None:
        train_run(TrainingConfig("mlp", hidden=(64,), epochs=2), mnist_slice, folder / "mlp", quiet=True)
        export(folder / "mlp" / "model.keras", mnist_slice, list(RECIPES.values()), folder, settings=ConversionSettings(Limits(5)))

    folder = made_once("mlp-files", make, tmp_path_factory)
    return {recipe.short: folder / recipe.file_name("mlp") for recipe in RECIPES.values()}
