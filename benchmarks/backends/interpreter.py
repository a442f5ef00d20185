"""A plain TFLite interpreter, as its documentation shows: the class `Interpreter` of options["module"]."""

import importlib
from typing import Any

import numpy as np

from benchmarks.backends import LoadedModel

DISTRIBUTIONS = ()  # but options["package"]


def prepare(options: dict[str, Any]) -> None:
    """Import the interpreter."""
    importlib.import_module(options["module"])


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """An interpreter for single images; batches go through it one by one."""
    interpreter = importlib.import_module(options["module"]).Interpreter(model_path=model, num_threads=threads)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    convert = as_input(source["dtype"], source["shape"], *source["quantization"])
    put, run, get, into, out = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor, source["index"], sink["index"]

    def one(image: Any) -> object:
        put(into, convert(image))
        run()
        return get(out).argmax()

    return LoadedModel(one, lambda images: [one(image) for image in images])


def as_input(dtype: Any, shape: Any, scale: float, zero_point: int) -> Any:
    """A function from uint8 pixels to the input tensor of one image: a cast for float inputs, else a look-up table."""
    shape = tuple(int(size) for size in shape)
    if not scale:  # a float input
        return lambda image: image.reshape(shape).astype(dtype)
    if dtype == np.uint8 and (scale, zero_point) == (1, 0):
        return lambda image: image.reshape(shape)
    limits = np.iinfo(dtype)
    table = np.clip(np.rint(np.arange(256) / scale + zero_point), limits.min, limits.max).astype(dtype)
    return lambda image: table[image].reshape(shape)
