"""The same model gives the same bytes, whichever CPU instructions TensorFlow and OpenBLAS use."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

CONVERT = """
import hashlib, json, sys
from pathlib import Path
from convert.quantization.activation_ranges import ranges_on
from convert.conversion import convert
from convert.source.tf_converter import to_flatbuffer, with_ranges
from convert.quantization.recipes import RECIPES
from convert.source.source import load_source
from train.data import load_dataset
from train.backend import keras

data, found = load_dataset(), {}
for name in ("nano", "small", "base"):
    path = Path("train/releases") / f"{name}-seed0" / "model.keras"
    if name == "small":
        source = load_source(path, data, name)
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
def here() -> dict[str, str]:
    """Hashes of conversions with the settings of this machine."""
    return _hashes({})


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_a_released_model_gives_the_same_bytes(here: dict[str, str], name: str) -> None:
    """Whole files of `small` by each recipe, and the graphs of the others, have equal hashes under each setting."""
    assert _hashes(SETTINGS[name]) == here
