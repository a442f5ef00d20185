"""OpenVINO on the CPU, which reads .tflite files; tuned for latency, with one stream."""

from typing import Any

import numpy as np

from benchmarks.backends import LoadedModel

DISTRIBUTIONS = ("openvino",)


def prepare(options: dict[str, Any]) -> None:
    """Import it."""
    import openvino  # noqa: F401


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """A compiled model and one inference request, which is reused."""
    import openvino

    core = openvino.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    network = core.read_model(model)
    shape = [1, *(size.get_length() for size in network.input(0).partial_shape[1:])]  # the batch size is dynamic in the file
    network.reshape(shape)
    compiled = core.compile_model(network, "CPU", settings)
    request = compiled.create_infer_request()
    dtype = compiled.input(0).element_type.to_dtype()

    def one(image: Any) -> object:
        request.infer([image.reshape(shape).astype(dtype)])
        return request.get_output_tensor(0).data.argmax()

    return LoadedModel(one, lambda images: [one(image) for image in np.asarray(images)])
