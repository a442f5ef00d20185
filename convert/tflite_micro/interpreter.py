"""Run a model in TFLite Micro. It checks a file less than LiteRT does, so it runs in processes of its own, which may crash."""

import importlib.util
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.packages import pip_install
from edge_runtime.errors import DigitsError, MissingPackage, ModelFileError
from edge_runtime.inference.runner import pixel_values
from edge_runtime.model.graph import read_graph

PACKAGE = "tflite-micro"
INSTALL = "'.[tflm]'"
_IMAGES_AT_ONCE = 50
_MOST_ARENA_BYTES = 64_000_000  # memory that is not used is not taken
_TIMEOUT = 3600  # seconds
_REFUSED = 65  # exit code: TFLite Micro does not take the model

# Arguments: the model's path, dtypes of input and output. Inputs come from stdin, outputs go to stdout; TFLite Micro writes to stderr.
_CHILD = f"""
import sys
import numpy as np
from tflite_micro import runtime
path, source, sink = sys.argv[1:]
try:
    interpreter = runtime.Interpreter.from_file(path, arena_size={_MOST_ARENA_BYTES})
    shape = interpreter.get_input_details(0)["shape"]
    inputs = np.frombuffer(sys.stdin.buffer.read(), source).reshape(-1, *shape)
    for row in inputs:
        interpreter.set_input(row, 0)
        interpreter.invoke()
        sys.stdout.buffer.write(np.asarray(interpreter.get_output(0), sink).tobytes())
    interpreter.print_allocations()
except Exception as error:
    print(type(error).__name__, error, file=sys.stderr)
    sys.exit({_REFUSED})
"""


@dataclass(frozen=True)
class MicroRun:
    """What TFLite Micro made of images.

    outputs: [N, classes] in the dtype of the graph's output. arena_bytes: the tensor arena that it took on this machine; pointers of 64
    bits need more than those of a microcontroller.
    """

    outputs: NDArray[Any]
    arena_bytes: int


def installed_version() -> str | None:
    """The version of the package `tflite-micro`; None if it is not installed."""
    try:
        return version(PACKAGE) if importlib.util.find_spec("tflite_micro") else None
    except PackageNotFoundError:
        return None


def require() -> str:
    """The version of the package.

    Raises:
        MissingPackage: it is not installed; the message says how to install it.
    """
    if (found := installed_version()) is None:
        raise MissingPackage(how_to_install())
    return found


def how_to_install() -> str:
    """That the package is not installed, and the command that installs it."""
    return f"{PACKAGE} is not installed; install it with: {pip_install()} {INSTALL} (it has wheels for x86-64 alone)"


def run_micro(flatbuffer: bytes, images: NDArray[np.uint8]) -> MicroRun:
    """Run uint8 [N, 28, 28] images, at least one, on all CPUs.

    Raises:
        MissingPackage: the package is not installed.
        ModelFileError: TFLite Micro does not take the model; the message has its reason.
        DigitsError: it cannot be run.
    """
    require()
    graph = read_graph(flatbuffer)
    source, sink = graph.inputs[0], graph.outputs[0]
    inputs = pixel_values(source)[images]
    workers = min(os.cpu_count() or 1, -(-len(images) // _IMAGES_AT_ONCE))
    with TemporaryDirectory(prefix="digits-tflm-") as folder:
        (Path(folder) / "model.tflite").write_bytes(flatbuffer)
        command = [sys.executable, "-c", _CHILD, "model.tflite", source.dtype, sink.dtype]
        with ThreadPoolExecutor(workers) as pool:
            parts = list(pool.map(lambda part: _call(command, folder, part.tobytes()), np.array_split(inputs, workers)))
    outputs = np.frombuffer(b"".join(output for output, _ in parts), sink.dtype)
    return MicroRun(outputs.reshape(len(images), sink.shape[-1]), parts[0][1])


def _call(command: list[str], folder: str, content: bytes) -> tuple[bytes, int]:
    """Outputs of a child process, and the bytes of its arena."""
    try:
        done = subprocess.run(command, cwd=folder, input=content, capture_output=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DigitsError(f"TFLite Micro cannot be run ({error})") from error
    said = done.stderr.decode(errors="replace")
    if done.returncode == _REFUSED:
        raise ModelFileError(f"TFLite Micro does not run it ({_reason(said)})")
    total = re.search(r"Arena allocation total (\d+) bytes", said)
    if done.returncode or total is None:
        raise DigitsError(f"TFLite Micro ended with exit code {done.returncode} ({_reason(said)})")
    return done.stdout, int(total.group(1))


def _reason(said: str) -> str:
    """The first line of its own messages: the last one is the Python error, which says less."""
    lines = [line for line in said.splitlines() if line.strip()]
    return " ".join((lines or ["no message"])[0].split())[:300]
