"""The same model gives the same bytes, whichever CPU instructions TensorFlow and OpenBLAS use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, made_once

CONVERT = """
import hashlib, json, shutil, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from convert.quantization.activation_ranges import ranges_on
from convert.conversion import convert
from convert.source.tf_converter import to_flatbuffer, with_ranges
from convert.quantization.recipes import RECIPES
from convert.source.source import load_source
from train.data import Dataset, load_dataset
from train.backend import keras

data, found = load_dataset(), {}
few = Dataset("few", data.x_train[-6000:], data.y_train[-6000:], data.x_test[:1000], data.y_test[:1000])
for name in ("nano", "small", "base"):
    path = Path("train/releases") / f"{name}-seed0" / "model.keras"
    if name == "small":
        with TemporaryDirectory() as folder:  # without its record, of which the images are not these
            source = load_source(Path(shutil.copy(path, folder)), few, name)
        found |= {f"{name} {recipe}": convert(source, RECIPES[recipe]).content for recipe in RECIPES}
    else:
        floats = to_flatbuffer(keras.models.load_model(path), RECIPES["fp32"])
        ranges = ranges_on(floats, data.train.images[:300])
        found |= {f"{name} floats": floats, f"{name} int8": with_ranges(floats, ranges, RECIPES["int8"])}
print(json.dumps({name: hashlib.sha256(content).hexdigest() for name, content in found.items()}))
"""

# What a user's CPU, or a user's own settings, make of the libraries below. One thread adds up in another order than two.
SETTINGS = {
    "without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "AVX2 alone": {"ONEDNN_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell"},
    "one thread": {"TF_NUM_INTRAOP_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}


def _hashes(settings: dict[str, str]) -> dict[str, str]:
    child = subprocess.run(
        [sys.executable, "-c", CONVERT], capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **settings}
    )
    assert child.returncode == 0, child.stderr[-2_000:]
    return json.loads(child.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Hashes of conversions with the settings of this machine, made once for all processes of pytest-xdist."""

    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / "hashes.json").write_text(json.dumps(_hashes({})))

    return json.loads((made_once("hashes-here", make, tmp_path_factory) / "hashes.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_a_released_model_gives_the_same_bytes(here: dict[str, str], name: str) -> None:
    """Whole files of `small` by each recipe, and the graphs of the others, have equal hashes under each setting."""
    assert _hashes(SETTINGS[name]) == here
