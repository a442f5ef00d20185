"""How many logits of the shipped models and their 4-bit counterparts differ between C code, LiteRT and TFLite Micro, on all test images.

    python -m tools.studies.conversion.same_logits

Counts: the same on every machine with the same packages. `make pages` writes the table.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.c_code.compilers import find_compiler
from convert.c_code.host import run_c
from convert.c_code.oracle import reference_logits
from convert.c_code.source import write_c
from convert.tflite_micro.interpreter import PACKAGE, require, run_micro
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.errors import DigitsError
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.interpreter import backend_version, find_backend
from edge_runtime.model.model_file import read_model_file
from tools.release.layout import Layout
from tools.studies.conversion.microcontrollers import released_files
from train.data import load_dataset

RESULT = "same_logits.json"


@dataclass(frozen=True)
class LogitCounts:
    """Logits of a model that differ. logits: how many were compared; labels: images.

    c_from_litert, c_from_tflm: C code of each rounding, from whom it follows. litert_from_tflm: LiteRT's reference kernels from TFLite
    Micro. largest: of these differences, in steps. litert_labels, tflm_labels: labels of each that differ from those of `Classifier`.
    """

    name: str
    recipe: str
    sha256: str
    logits: int
    labels: int
    c_from_litert: int
    c_from_tflm: int
    litert_from_tflm: int
    largest: int
    litert_labels: int
    tflm_labels: int


@dataclass(frozen=True)
class SameLogitsResult:
    """The committed counts. versions: of packages by name."""

    versions: dict[str, str]
    models: tuple[LogitCounts, ...]


def main() -> None:
    """Count, and write benchmarks/reference/same_logits.json."""
    layout, images = Layout(), load_dataset(None).test.images
    versions = {"ai-edge-litert": backend_version(find_backend("litert")), PACKAGE: require()}
    models = tuple(count_logits(name, path, images) for name, path in released_files(layout))
    write_file(layout.results / RESULT, to_json(SameLogitsResult(versions, models), indent=1) + "\n", force=True)


def count_logits(name: str, path: Path, images: NDArray[np.uint8]) -> LogitCounts:
    """Compare on uint8 [N, 28, 28] images.

    Raises:
        DigitsError: there is no C compiler.
    """
    if (compiler := find_compiler()) is None:
        raise DigitsError("this machine has no C compiler")
    print(path.stem, file=sys.stderr)
    file = read_model_file(path)
    assert file.manifest
    litert, micro = reference_logits(file.flatbuffer, images), run_micro(file.flatbuffer, images).outputs
    c_litert, c_micro = (run_c(write_c(file, name, rounding), images, compiler) for rounding in ("litert", "tflm"))
    labels = Classifier(file).classify_batch(images).indices
    return LogitCounts(
        name,
        "int4" if "wi4" in file.manifest.recipe else "int8",
        file.sha256,
        litert.size,
        len(images),
        _different(c_litert, litert),
        _different(c_micro, micro),
        _different(litert, micro),
        int(np.abs(litert.astype(np.int16) - micro).max()),
        _different(litert.argmax(axis=1), labels),
        _different(micro.argmax(axis=1), labels),
    )


def _different(one: NDArray[Any], other: NDArray[Any]) -> int:
    return int((one != other).sum())


if __name__ == "__main__":
    main()
