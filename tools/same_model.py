"""Whether a model that was made again is the one that was made before, on a CPU that may be another.

A CPU with wider registers adds floats up in another order. Their last bits differ, and with them what is measured by floats: logits of
golden images and, where ranges are calibrated, an activation's scale. A bias is a whole number of steps of such a scale, so that it may be
rounded to its neighbour. Weights, the graph, and each image's answer may not differ.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import InputError
from edge_runtime.manifest import FlatBufferSpec, Manifest
from edge_runtime.model_file import ModelFile, parse_model_file
from edge_runtime.records import from_json
from train.release_results import SCHEMA_VERSION, ReleaseEvaluation

LOGIT_NOISE = 1e-4  # of logits near 10: AVX2 and AVX-512 were seen 1.3e-6 apart
SCALE_NOISE = 1e-5  # as a share: Zen 4 and Zen 5 were seen 2.3e-7 apart
STEPS = 1  # of a bias, or of an integer output
_CALIBRATED = "static"  # how a recipe is called whose scales are measured
_INT32 = 2  # in the schema's list of types: biases


def say_the_same(before: bytes, now: bytes) -> bool:
    """Whether two evaluations, or two model files, are equal but for the float noise of another CPU."""
    if before == now:
        return True
    try:
        if now.startswith(b"{"):
            return _evaluation_but_for_noise(before) == _evaluation_but_for_noise(now)
        return _same_model(parse_model_file(before), parse_model_file(now))
    except InputError:
        return False


def _evaluation_but_for_noise(text: bytes) -> ReleaseEvaluation:
    """Without what covers noise: a file's whole hash and, since golden images are deflated, its size; a calibrated graph's hash."""
    found = from_json(ReleaseEvaluation, text, ("schema_version", SCHEMA_VERSION))
    files = (replace(file, sha256="", file_bytes=0) for file in found.files)
    return replace(
        found, files=tuple(replace(file, flatbuffer_sha256="") if file.recipe.startswith(_CALIBRATED) else file for file in files)
    )


def _same_model(before: ModelFile, now: ModelFile) -> bool:
    if before.manifest is None or now.manifest is None:
        return False
    if before.flatbuffer != now.flatbuffer and not (
        before.manifest.recipe.startswith(_CALIBRATED) and same_but_for_scales(before.flatbuffer, now.flatbuffer)
    ):
        return False
    return _manifest_but_for_scales(before.manifest) == _manifest_but_for_scales(now.manifest) and _same_golden(before, now)


def _manifest_but_for_scales(manifest: Manifest) -> Manifest:
    """What it says of the graph is compared with the graph by whoever reads the file."""
    return replace(
        manifest,
        flatbuffer=FlatBufferSpec(0, ""),
        input=replace(manifest.input, scale=0.0),
        output=replace(manifest.output, scale=0.0),
    )


def _same_golden(before: ModelFile, now: ModelFile) -> bool:
    old, new = before.golden(), now.golden()
    if not (np.array_equal(old.images, new.images) and np.array_equal(old.labels, new.labels)):
        return False
    noise = LOGIT_NOISE if old.outputs.dtype.kind == "f" else STEPS
    return _close(old.float_logits, new.float_logits, LOGIT_NOISE) and _close(old.outputs, new.outputs, noise)


def same_but_for_scales(before: bytes, now: bytes) -> bool:
    """Whether two FlatBuffers are equal but for noise in their scales, and biases a step apart."""
    (old, old_scales, old_biases), (new, new_scales, new_biases) = _parted(before), _parted(now)
    return (
        old == new
        and bool(np.allclose(old_scales, new_scales, rtol=SCALE_NOISE, atol=0))
        and all(_close(*pair, STEPS) for pair in zip(old_biases, new_biases, strict=True))
    )


def _parted(flatbuffer: bytes) -> tuple[bytes, NDArray[np.float64], list[NDArray[np.int32]]]:
    """A FlatBuffer with scales and biases set to zero, and what they were."""
    from ai_edge_litert.tools import flatbuffer_utils

    model: Any = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    scales: list[float] = []
    biases: list[NDArray[np.int32]] = []
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        if tensor.quantization is None or tensor.quantization.scale is None:
            continue
        scales += [float(scale) for scale in tensor.quantization.scale]
        tensor.quantization.scale = [0.0] * len(tensor.quantization.scale)
        buffer = model.buffers[tensor.buffer]
        if tensor.type == _INT32 and buffer.data is not None:
            biases.append(np.frombuffer(bytes(buffer.data), np.int32))
            buffer.data = [0] * len(buffer.data)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model)), np.array(scales), biases


def _close(old: NDArray[Any], new: NDArray[Any], most: float) -> bool:
    """Whether no two values are further apart."""
    return old.shape == new.shape and bool(np.allclose(old.astype(np.float64), new.astype(np.float64), rtol=0, atol=most))
