"""Facts and predictions of any model file, Keras or TFLite, so that any two can be compared."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.source.keras_files import is_keras, keras_file
from convert.tflite_micro.interpreter import run_micro
from edge_runtime.common.quantization import dequantize
from edge_runtime.common.text_table import text_table
from edge_runtime.errors import InputError, ModelFileError
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.inspection import Runtimes, facts
from edge_runtime.model.model_file import ModelFile, find_model, read_model_file
from train.data import Dataset, Split


def model_path(path: Path) -> Path:
    """The file that a path stands for: a `.tflite`, a Keras file, that in a run's folder, or a shipped model by its name.

    Raises:
        ModelFileError: a folder without a model.
    """
    return found if (found := find_model(path)) != path else keras_file(path)


def predict(
    path: Path,
    data: Dataset,
    split: Split,
    threads: int = 2,
    *,
    input_scale: str | None = None,
    code: Path | None = None,
    micro: bool = False,
) -> NDArray[np.float32]:
    """Logits of a Keras or `.tflite` file for the images of a split: float32 [N, classes].

    Args:
        path: the file.
        data: of which the split is; its validation images tell the pixel range of a Keras model.
        split: the images.
        threads: of a `.tflite`'s interpreter.
        input_scale: pixel range of a Keras model; None to find it as `load_source` does.
        code: Python file that defines custom layers of a Keras model.
        micro: whether TFLite Micro runs a `.tflite`, instead of LiteRT.

    Raises:
        ModelFileError: the file cannot be used.
        MissingPackage: TFLite Micro is not installed.
        InputError: its number of classes is not that of the data.
        BadArgument: unknown pixel range.
    """
    if not is_keras(path):
        model = read_model_file(path)
        if len(model.labels) != data.classes:
            raise InputError(f"{path}: has {len(model.labels)} classes, {data.source} has {data.classes}; give other --data")
        try:
            if micro:
                return _micro_logits(model, split)
            classifier = Classifier(model, threads)
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from error
        return classifier.classify_batch(split.images).logits

    from convert.source.keras_loading import OWN_SCALE, adapt, check_contract, find_scale, load_keras
    from train.model.architectures import predict_logits
    from train.runs.store import RECORD

    model = load_keras(path, code)[1]
    check_contract(path, model, data.classes)
    scale = input_scale
    if scale is None:
        scale = OWN_SCALE if path.with_name(RECORD).exists() else find_scale(path, model, data.validation)
    return predict_logits(adapt(path, model, scale, data.validation), split.images)


def _micro_logits(model: ModelFile, split: Split) -> NDArray[np.float32]:
    outputs = run_micro(model.flatbuffer, split.images).outputs
    if model.output.dtype == "float32":
        return outputs
    return dequantize(outputs, model.output.scale, model.output.zero_point)


def file_facts(path: Path, code: Path | None = None) -> dict[str, Any]:
    """Facts of a file: kind, bytes, operators or layers, input and output; payload and scale bytes of a `.tflite`.

    Raises:
        ModelFileError: the file cannot be used.
    """
    if not is_keras(path):
        known = facts(read_model_file(path), Runtimes({}))
        kept = ("file_bytes", "payload_bytes", "scale_bytes", "operators", "input", "output", "sha256")
        return {"kind": "TFLite", **{name: known[name] for name in kept}}

    from convert.source.keras_loading import load_keras

    content, model = load_keras(path, code)
    return {
        "kind": "Keras",
        "file_bytes": len(content),
        "parameters": model.count_params(),
        "operators": [{"name": type(layer).__name__, "count": 1} for layer in model.layers],
        "input": {"dtype": "float32", "shape": list(model.input_shape)},
        "output": {"dtype": "float32", "shape": list(model.output_shape)},
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def facts_table(reference: dict[str, Any], candidate: dict[str, Any]) -> str:
    """Facts of two files side by side, one a line."""
    names = [
        name
        for name in ("kind", "runtime", "file_bytes", "payload_bytes", "scale_bytes", "parameters")
        if name in {**reference, **candidate}
    ]
    rows = [(name.replace("_", " "), _text(reference.get(name)), _text(candidate.get(name))) for name in names]
    rows += [(name, _tensor(reference[name]), _tensor(candidate[name])) for name in ("input", "output")]
    counts = [{_operator(spec): 0 for spec in side["operators"]} for side in (reference, candidate)]
    for side, count in zip((reference, candidate), counts, strict=True):
        for spec in side["operators"]:
            count[_operator(spec)] += spec["count"]
    before, after = counts
    rows += [(kind, str(before.get(kind, "")), str(after.get(kind, ""))) for kind in dict.fromkeys([*before, *after])]
    return text_table(("", "reference", "candidate"), rows)


def _text(value: Any) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _tensor(spec: dict[str, Any]) -> str:
    quantization = f", scale {spec['scale']:.4g}, zero point {spec['zero_point']}" if spec.get("scale") else ""
    return f"{spec['dtype']} {list(spec['shape'])}{quantization}"


def _operator(spec: dict[str, Any]) -> str:
    return str(spec["name"]) + (f" v{spec['version']}" if "version" in spec else "")
