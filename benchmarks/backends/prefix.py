"""The first operators of a model: a cut file (benchmarks.runner.operators) in a plain interpreter. The output is not read."""

import importlib
from typing import Any

from benchmarks.backends import LoadedModel
from benchmarks.backends.interpreter import as_input

DISTRIBUTIONS = ("ai-edge-litert",)


def prepare(options: dict[str, Any]) -> None:
    """Import the interpreter."""
    importlib.import_module(options["module"])


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """A call sets the input and runs all operators of the file."""
    interpreter = importlib.import_module(options["module"]).Interpreter(model_path=model, num_threads=threads)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    convert = as_input(source["dtype"], source["shape"], *source["quantization"])
    put, run, into = interpreter.set_tensor, interpreter.invoke, source["index"]

    def one(image: Any) -> None:
        put(into, convert(image))
        run()

    def many(images: Any) -> None:
        for image in images:
            one(image)

    return LoadedModel(one, many)
