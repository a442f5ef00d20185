"""Package a self-describing model file: FlatBuffer, manifest, labels and golden images (docs/model-file.md)."""

import hashlib
import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convert.compatibility.operator_support import minimum_runtime
from convert.quantization.activation_ranges import exact_logits
from convert.quantization.recipes import RECIPES, Recipe
from edge_runtime.common.json_codec import to_json
from edge_runtime.model.archive import pack
from edge_runtime.model.graph import read_graph
from edge_runtime.model.manifest import FORMAT_VERSION, Comparison, FlatBufferSpec, Manifest, Origin, PixelContract, Verdict
from edge_runtime.model.model_file import Golden, labels_text, operator_specs, tensor_spec
from train.data import Split

GOLDEN_IMAGES = 16
_MARGIN_STEPS, _MARGIN_LOGITS = 3, 0.1


def package(flatbuffer: bytes, manifest: Manifest, golden: Golden) -> bytes:
    """Content of a model file. The same arguments give the same bytes."""
    entries = {
        "manifest.json": to_json(manifest).encode(),
        "labels.txt": labels_text(manifest.labels),
        "golden.npz": _golden_bytes(golden),
    }
    return flatbuffer + pack(len(flatbuffer), entries)


def make_manifest(
    name: str,
    recipe: Recipe,
    labels: tuple[str, ...],
    flatbuffer: bytes,
    accuracy: tuple[Comparison, ...],
    verdict: Verdict,
    temperature: float,
    origin: Origin,
    attribution: str,
) -> Manifest:
    """Manifest of a converted model; tensors, operators and hash are read from the FlatBuffer."""
    graph = read_graph(flatbuffer)
    return Manifest(
        format_version=FORMAT_VERSION,
        name=name,
        recipe=recipe.name,
        labels=labels,
        pixels=PixelContract(),
        input=tensor_spec(graph.inputs[0]),
        output=tensor_spec(graph.outputs[0]),
        flatbuffer=FlatBufferSpec(len(flatbuffer), hashlib.sha256(flatbuffer).hexdigest()),
        minimum_runtime=minimum_runtime(graph),
        operators=operator_specs(graph),
        tolerance=recipe.tolerance,
        accuracy=accuracy,
        verdict=verdict,
        origin=origin,
        attribution=attribution,
        temperature=temperature,
    )


def choose_golden(test: Split, float_logits: NDArray[np.float32], outputs: NDArray[np.generic]) -> Golden:
    """Choose golden images: test images from all classes in turn, whose top two outputs are too far apart for rounding to flip the label.

    Args:
        test: the test images.
        float_logits: float32 [N, classes] of the Keras model.
        outputs: [N, classes] of the converted model, in the dtype of its output tensor.
    """
    top = np.sort(outputs.astype(np.float64), axis=1)[:, ::-1]
    margin = top[:, 0] - top[:, 1]
    enough = _MARGIN_LOGITS if outputs.dtype == np.float32 else _MARGIN_STEPS
    # If there are too few (the model has learned nothing), those with the largest margins follow.
    order = np.lexsort((np.where(margin >= enough, _place_in_class(test.labels), len(test) - margin), margin < enough))
    chosen = np.sort(order[:GOLDEN_IMAGES])
    return Golden(test.images[chosen], test.labels[chosen], float_logits[chosen], outputs[chosen])


def with_exact_floats(golden: Golden, floats: bytes, flatbuffer: bytes, recipe: Recipe) -> Golden:
    """Replace recorded float outputs by ones computed in float64, so that the same model gives the same file on every CPU.

    These are the float model's logits, and the outputs of a float file. Recorded values are kept if the graph has an operator that is not
    implemented in float64, or if they differ by more than the fp32 tolerance.

    Args:
        golden: as recorded on this machine.
        floats: the model's float32 FlatBuffer.
        flatbuffer: the converted one.
        recipe: of the converted one.
    """
    logits = _exact_or_recorded(floats, golden.images, golden.float_logits)
    outputs = golden.outputs
    if recipe.name.startswith("float"):
        outputs = _exact_or_recorded(flatbuffer, golden.images, outputs)
    return replace(golden, float_logits=logits, outputs=outputs)


def _exact_or_recorded(flatbuffer: bytes, images: NDArray[np.uint8], recorded: NDArray[np.float32]) -> NDArray[np.float32]:
    exact = exact_logits(flatbuffer, images)
    near = exact is not None and np.abs(exact - recorded).max() <= RECIPES["fp32"].tolerance.amount
    return exact if exact is not None and near else recorded


def _place_in_class(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """For each image, the number of images of its class before it: sorting by that takes all classes in turn."""
    place = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members] = np.arange(len(members))
    return place


def _golden_bytes(golden: Golden) -> bytes:
    stream = io.BytesIO()  # compressed here because the archive stores its entries uncompressed
    np.savez_compressed(
        stream, images=golden.images, labels=golden.labels, float_logits=golden.float_logits, outputs=golden.outputs
    )
    return stream.getvalue()
