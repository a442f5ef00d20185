"""Exact outputs of a model, which the C code has to reproduce: by LiteRT's reference kernels (BUILTIN_REF), or by TFLite Micro."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from convert.integer_layers.lowering import Rounding
from convert.tflite_micro.interpreter import run_micro
from edge_runtime.inference.interpreter import find_backend, make_interpreter

ORACLES: dict[Rounding, str] = {"litert": "LiteRT's reference kernels", "tflm": "TFLite Micro"}
"""Who has the logits that C code with a rounding must give."""
_IMAGES_AT_ONCE = 10


def exact_logits(flatbuffer: bytes, images: NDArray[np.uint8], rounding: Rounding) -> NDArray[np.int8]:
    """Outputs int8 [N, classes] of an int8 model for uint8 [N, 28, 28] images, by the oracle of a rounding.

    Raises:
        MissingPackage: LiteRT or TFLite Micro is not installed.
        ModelFileError: TFLite Micro does not take the model.
    """
    return reference_logits(flatbuffer, images) if rounding == "litert" else run_micro(flatbuffer, images).outputs


def reference_logits(flatbuffer: bytes, images: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Outputs int8 [N, classes] of an int8 model for uint8 [N, 28, 28] images, on all CPUs.

    Raises:
        MissingPackage: LiteRT is not installed.
    """
    backend = find_backend("litert")
    workers = min(os.cpu_count() or 1, -(-len(images) // _IMAGES_AT_ONCE)) or 1

    def run(part: NDArray[np.uint8]) -> NDArray[np.int8]:
        interpreter = make_interpreter(flatbuffer, backend, reference=True)
        source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        outputs = np.empty((len(part), sink["shape"][-1]), np.int8)
        for row, image in zip(outputs, part, strict=True):
            steps = (image.astype(np.int16) - 128).astype(np.int8)
            interpreter.set_tensor(source["index"], steps.reshape(source["shape"]))
            interpreter.invoke()
            row[:] = interpreter.get_tensor(sink["index"]).reshape(-1)
        return outputs

    with ThreadPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(run, np.array_split(images, workers))))
