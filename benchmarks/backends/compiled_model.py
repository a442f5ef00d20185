"""ai-edge-litert's CompiledModel on the CPU, as its documentation shows: an input and an output buffer, both reused."""

from typing import Any

import numpy as np

from benchmarks.backends import LoadedModel
from benchmarks.backends.interpreter import as_input

DISTRIBUTIONS = ("ai-edge-litert",)


def prepare(options: dict[str, Any]) -> None:
    """Import it."""
    import ai_edge_litert.compiled_model  # noqa: F401


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """A compiled model. An interpreter of the same file, which does not run, describes input and output."""
    from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, Options
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_path=model)
    source, sink = details.get_input_details()[0], details.get_output_details()[0]
    convert = as_input(source["dtype"], source["shape"], *source["quantization"])
    settings = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=CpuOptions(num_threads=threads))
    compiled = CompiledModel.from_file(model, options=settings)
    inputs, outputs = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    count, dtype = int(np.prod(sink["shape"])), sink["dtype"]

    def one(image: Any) -> object:
        inputs[0].write(convert(image))
        compiled.run_by_index(0, inputs, outputs)
        return outputs[0].read(count, dtype).argmax()

    return LoadedModel(one, lambda images: [one(image) for image in images])
