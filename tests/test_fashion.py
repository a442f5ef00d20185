"""The chain on another data set, with labels of its own: Fashion-MNIST as Debian packages it."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import read_model_file
from edge_runtime.preprocessing.image_files import png_bytes
from tests.commands import digits
from tests.conftest import ROOT
from tests.samples import arrays_of, write_npz
from train.data import Dataset, load_dataset

pytestmark = pytest.mark.slow
PACKAGE = "dataset-fashion-mnist"
LABELS = "T-shirt,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,ankle boot"


@pytest.fixture(scope="module")
def fashion() -> Path:
    """The folder with the four IDX files, unpacked from the package; fetched once."""
    cache = ROOT / ".cache" / PACKAGE
    if not cache.exists():
        cache.parent.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=cache.parent) as folder:  # under its name there is never half of it
            subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True, capture_output=True)
            (package,) = Path(folder).glob("*.deb")
            subprocess.run(["dpkg", "-x", package, f"{folder}/whole"], check=True, capture_output=True)
            with suppress(OSError):  # another process was quicker
                Path(folder, "whole").rename(cache)
    return cache / "usr" / "share" / "datasets" / "fashion-mnist"


def test_the_chain_runs_on_fashion_mnist(fashion: Path, tmp_path: Path) -> None:
    """Data, training, 8 and 4 bits with the data's labels, verification, an answer, a comparison, on a part of the images."""
    assert "[60000, 28, 28]" in digits("data", "--data", fashion).out
    whole = load_dataset(fashion)
    part = Dataset("fashion", whole.x_train[:15_000], whole.y_train[:15_000], whole.x_test[:5_000], whole.y_test[:5_000])
    fashion = write_npz(tmp_path / "fashion.npz", arrays_of(part))
    runs, out = tmp_path / "runs", tmp_path / "out"
    words = ["train", "cnn", "--epochs", 2, "--learning-rate", 0.01, "--data", fashion, "--runs", runs, "--name", "fashion"]
    assert digits(*words).code == 0
    words = ["convert", runs / "fashion" / "model.keras", "--recipe", "int8", "--recipe", "int4", "--qat", 1, "--labels", LABELS]
    answer = digits(*words, "--data", fashion, "--out", out, "--max-drop", 1)
    assert answer.code == 0, answer.err
    data = load_dataset(fashion)
    for recipe in ("int8", "int4"):
        path = out / f"fashion-{recipe}.tflite"
        manifest = read_model_file(path).manifest
        assert manifest is not None
        assert manifest.labels == tuple(LABELS.split(","))
        assert manifest.accuracy[1].candidate.percent > 75
        right = Classifier.load(path).classify_batch(data.test.images).indices == data.test.labels
        assert int(np.sum(right)) == manifest.accuracy[1].candidate.correct
        assert digits("verify", path).code == 0
    (tmp_path / "boot.png").write_bytes(png_bytes(data.test.images[0]))
    found = json.loads(digits("classify", tmp_path / "boot.png", "--model", out / "fashion-int8.tflite", "--json").out)
    assert found["label"] in LABELS.split(",")
    assert digits("compare", out / "fashion-int8.tflite", out / "fashion-int4.tflite", "--data", fashion).code == 0


def test_digits_are_not_fashion(fashion: Path) -> None:
    """A model that was trained on digits is not judged on pictures of clothes: exit 4, which names both."""
    answer = digits("convert", ROOT / "train" / "releases" / "nano-seed0" / "model.keras", "--data", fashion, "--recipe", "fp32")
    assert answer.code == 4
    assert "was trained on" in answer.err
