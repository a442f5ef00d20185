"""Whether a model that was made again is the one that was made before, on a CPU that may be another.

The released files were converted when TensorFlow's converter still folded batch normalisation and measured ranges in float32, whose sums
have another order on another CPU. Conversion has been exact since (simplify.py, activation_ranges.py of convert). So these may differ in
their last bits: float weights, scales, biases by a step, logits of golden images. The graph, integer weights and each image's answer may
not. Once all files are released anew, equal bytes take the place of this.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.json_codec import from_json
from edge_runtime.errors import InputError
from edge_runtime.model.manifest import FlatBufferSpec, Manifest
from edge_runtime.model.model_file import ModelFile, parse_model_file
from tools.release.evaluation import SCHEMA_VERSION, ReleaseEvaluation

LOGIT_NOISE = 1e-4  # of logits near 10: AVX2 and AVX-512 were seen 1.3e-6 apart
SCALE_NOISE = 1e-5  # as a share: float32 and float64 were seen 4.2e-7 apart
WEIGHT_NOISE = 1e-6  # as a share of a tensor's largest weight: float32 and float64 were seen 1.4e-7 apart
STEPS = 1  # of a bias, or of an integer output
_FLOAT32, _INT32 = 0, 2  # in the schema's list of types


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
    """Without what covers noise: hashes and, since golden images are deflated, a file's size."""
    found = from_json(ReleaseEvaluation, text, ("schema_version", SCHEMA_VERSION))
    return replace(found, files=tuple(replace(file, sha256="", flatbuffer_sha256="", file_bytes=0) for file in found.files))


def _same_model(before: ModelFile, now: ModelFile) -> bool:
    if before.manifest is None or now.manifest is None:
        return False
    if not same_but_for_noise(before.flatbuffer, now.flatbuffer):
        return False
    return _manifest_but_for_scales(before.manifest) == _manifest_but_for_scales(now.manifest) and _same_golden(before, now)


def _manifest_but_for_scales(manifest: Manifest) -> Manifest:
    """What it says of the graph is compared with the graph by whoever reads the file."""
    return replace(
        manifest,
        flatbuffer=FlatBufferSpec(0, ""),
        input=replace(manifest.input, scale=0.0),
        output=replace(manifest.output, scale=0.0),
        # The released files were made when the command did not tell the name, which the manifest has anyway.
        origin=replace(manifest.origin, command=manifest.origin.command.replace(f" --name {manifest.name}", "")),
    )


def _same_golden(before: ModelFile, now: ModelFile) -> bool:
    old, new = before.golden(), now.golden()
    if not (np.array_equal(old.images, new.images) and np.array_equal(old.labels, new.labels)):
        return False
    noise = LOGIT_NOISE if old.outputs.dtype.kind == "f" else STEPS
    return _close(old.float_logits, new.float_logits, LOGIT_NOISE) and _close(old.outputs, new.outputs, noise)


def same_but_for_noise(before: bytes, now: bytes) -> bool:
    """Whether two FlatBuffers are one graph with the same weights, but for noise of floats and biases a step apart."""
    old, new = _Parts.of(before), _Parts.of(now)
    return (
        old.exact == new.exact
        and all(np.allclose(old.scales[name], new.scales[name], rtol=SCALE_NOISE, atol=0) for name in old.scales)
        and all(_close(old.floats[name], new.floats[name], WEIGHT_NOISE * np.abs(old.floats[name]).max()) for name in old.floats)
        and all(_close(old.biases[name], new.biases[name], STEPS) for name in old.biases)
    )


@dataclass(frozen=True)
class _Parts:
    """A FlatBuffer taken apart, by the names of its tensors, since the converter puts these down in no order that means anything.

    exact: all that has to be equal. scales: float64. floats, biases: float32 and int32 constants.
    """

    exact: dict[str, Any]
    scales: dict[str, NDArray[np.float64]]
    floats: dict[str, NDArray[Any]]
    biases: dict[str, NDArray[Any]]

    @staticmethod
    def of(flatbuffer: bytes) -> "_Parts":
        from ai_edge_litert.tools import flatbuffer_utils

        model: Any = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
        (graph,) = model.subgraphs
        parts = _Parts({}, {}, {}, {})
        names = [tensor.name.decode() for tensor in graph.tensors]
        parts.exact["operators"] = [
            (
                *_kind(model, operator),
                *([names[index] for index in ends if index >= 0] for ends in (operator.inputs, operator.outputs)),
            )
            for operator in graph.operators
        ]
        for name, tensor in zip(names, graph.tensors, strict=True):
            parts._take(name, tensor, model.buffers[tensor.buffer].data)
        return parts

    def _take(self, name: str, tensor: Any, data: Any) -> None:
        quantization = tensor.quantization
        scaled = quantization is not None and quantization.scale is not None
        content, sorts = (
            bytes([]) if data is None else bytes(data),
            {_FLOAT32: self.floats, **({_INT32: self.biases} if scaled else {})},
        )
        if scaled:
            self.scales[name] = np.asarray(quantization.scale, np.float64)
        if content and tensor.type in sorts:
            sorts[tensor.type][name] = np.frombuffer(content, np.float32 if tensor.type == _FLOAT32 else np.int32)
            content = b"compared with a tolerance"
        zeros = np.asarray(quantization.zeroPoint).tolist() if scaled else None
        self.exact[f"tensor {name}"] = (
            tensor.type,
            np.asarray(tensor.shape).tolist(),
            zeros,
            len(self.scales.get(name, ())),
            content,
        )


def _kind(model: Any, operator: Any) -> tuple[Any, ...]:
    """An operator's code, version and options."""
    code, options = model.operatorCodes[operator.opcodeIndex], operator.builtinOptions
    stated = {} if options is None else {name: np.asarray(value).tolist() for name, value in vars(options).items()}
    return int(max(code.builtinCode, code.deprecatedBuiltinCode)), int(code.version), stated


def _close(old: NDArray[Any], new: NDArray[Any], most: float) -> bool:
    """Whether no two values are further apart."""
    return old.shape == new.shape and bool(np.allclose(old.astype(np.float64), new.astype(np.float64), rtol=0, atol=most))
