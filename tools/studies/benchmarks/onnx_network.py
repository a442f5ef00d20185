"""One of our networks as an ONNX graph, and ONNX Runtime's time for it.

python -m tools.studies.benchmarks.onnx_network NETWORK.npz IMAGES.npy THREADS

Runs in an environment of its own, which has neither Keras nor LiteRT. NETWORK.npz is what `keras_network` writes: `layers`, JSON, and
the arrays that it names, with batch normalisation and the scale of the pixels folded into the weights, as ONNX Runtime itself would.
Prints a digest of the labels and the best batch size; then, for each line on standard input, the nanoseconds of all images at once more.
"""

import hashlib
import json
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCHES = (1, 10, 50, 100, 200, 500, 1_000, 2_000)
TRIES = 3
_OPSET = 21


def graph(layers: list[dict[str, Any]], arrays: dict[str, NDArray[np.float32]]) -> Any:
    """The ONNX model: uint8 [N, 28, 28] to float32 [N, 10]. ONNX wants channels first."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["cast", "shape"], ["x"]),
    ]
    constants = {"shape": np.array([-1, 1, 28, 28])}
    last = "x"
    for number, layer in enumerate(layers):
        name = f"y{number}"
        inputs, attributes = [last], dict(layer)
        kind = attributes.pop("kind")
        for part in attributes.pop("weights", []):
            constants[part] = arrays[part]
            inputs.append(part)
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        last = name
    made = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", 28, 28])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["N", None])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)


def session(model: Any, threads: int) -> Any:
    """ONNX Runtime with all of its optimisations, on so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def classify(running: Any, images: NDArray[np.uint8], batch: int) -> tuple[NDArray[np.int64], int]:
    """Labels of all images, and the nanoseconds that they took."""
    before = time.perf_counter_ns()
    found = [
        running.run(None, {"pixels": images[start : start + batch]})[0].argmax(axis=1) for start in range(0, len(images), batch)
    ]
    return np.concatenate(found), time.perf_counter_ns() - before


def digest(labels: NDArray[np.int64]) -> str:
    """What tells whether two classifiers gave the same labels."""
    return hashlib.sha256(np.asarray(labels, np.uint8).tobytes()).hexdigest()


def main(network: str, pixels: str, threads: str) -> None:
    """Build, choose the batch size, then answer requests."""
    import onnxruntime

    with np.load(network) as arrays:
        weights = {name: arrays[name] for name in arrays}
    layers = json.loads(str(weights.pop("layers")))
    running, images = session(graph(layers, weights), int(threads)), np.load(pixels)
    labels, _ = classify(running, images, BATCHES[-1])
    tried = {batch: min(classify(running, images, batch)[1] for _ in range(TRIES)) for batch in BATCHES}
    best = min(tried, key=lambda batch: tried[batch])
    print(json.dumps({"digest": digest(labels), "batch": best, "version": onnxruntime.__version__}), flush=True)
    for _ in sys.stdin:
        print(classify(running, images, best)[1], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
