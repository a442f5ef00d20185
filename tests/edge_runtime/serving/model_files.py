"""Invalid model files."""

import io
from pathlib import Path

import numpy as np

from edge_runtime.model.archive import pack, unpack
from edge_runtime.model.model_file import MODELS, read_model_file

SMALL, NANO = (MODELS / f"{name}-int8.tflite" for name in ("small", "nano"))


def with_wrong_golden(path: Path = SMALL) -> bytes:
    """A file with the golden outputs of another model: valid in format, but not reproduced."""
    data = path.read_bytes()
    offset, entries = unpack(data)
    golden = read_model_file(path).golden()
    arrays = {"images": golden.images, "labels": golden.labels, "float_logits": golden.float_logits}
    stream = io.BytesIO()
    np.savez_compressed(stream, outputs=np.roll(golden.outputs, 1, axis=1), **arrays)
    return data[:offset] + pack(offset, {**entries, "golden.npz": stream.getvalue()})


def replace(path: Path, content: bytes) -> None:
    """Replace a file atomically, as `digits convert` does."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
