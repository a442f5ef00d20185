"""Runs .tflite files on images with whatever interpreter is installed. Executed by file, in an environment that has nothing of ours.

Arguments: images.npy (uint8 [N, 28, 28]), then files. For each file one line of JSON on stdout: its name, and outputs (a list of N lists of
numbers as the graph gives them) or the error. Without an end of line, the interpreter crashed on the file named last.
"""

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def _interpreter_class() -> Any:
    name = "tflite_runtime" if importlib.util.find_spec("tflite_runtime") else "ai_edge_litert"
    return importlib.import_module(f"{name}.interpreter").Interpreter


def _outputs(interpreter_class: Any, content: bytes, images: Any) -> Any:
    interpreter = interpreter_class(model_content=content)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = source["quantization"] if source["quantization"][0] else (1.0, 0)
    answers = []
    for image in images:
        values = np.rint(image.reshape(source["shape"]) / scale + zero_point)
        if source["dtype"] is not np.float32:
            limits = np.iinfo(source["dtype"])
            values = values.clip(limits.min, limits.max)
        interpreter.set_tensor(source["index"], values.astype(source["dtype"]))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(sink["index"])[0].tolist())
    return answers


def main(images: str, *paths: str) -> None:
    """Run each file."""
    interpreter_class, pixels = _interpreter_class(), np.load(images)
    for path in paths:
        print(json.dumps(Path(path).name), end="\t", flush=True)
        try:
            answer = {"outputs": _outputs(interpreter_class, Path(path).read_bytes(), pixels)}
        except (RuntimeError, ValueError) as error:
            answer = {"error": " ".join(str(error).split())}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
