"""Running an unproven model once in a child process, so that one that crashes its interpreter is an error and not the end of ours.

A plain `.tflite` has no verified hash: of 400 files with flipped bits, tflite-runtime 2.14 was killed by 165.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from edge_runtime.errors import DigitsError, ModelFileError
from edge_runtime.interpreter import BACKENDS, Backend, make_interpreter

_SECONDS = 60


def probe(flatbuffer: bytes, backend: Backend) -> None:
    """Load the model in a child process and run it on a blank, a full and a noisy image.

    Raises:
        ModelFileError: the child crashed, hung for a minute, or its interpreter refused the model.
    """
    here = str(Path(__file__).parents[1])
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", __name__, backend.name]
    try:
        child = subprocess.run(
            command, input=flatbuffer, capture_output=True, timeout=_SECONDS, env={**os.environ, "PYTHONPATH": path}, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"hung {backend.package} for {_SECONDS} s when tried in a child process") from error
    if child.returncode < 0:
        raise ModelFileError(
            f"crashed {backend.package} (signal {-child.returncode}) when tried in a child process; the file is damaged"
        )
    if child.returncode > 0:
        lines = child.stderr.decode(errors="replace").strip().splitlines()
        raise ModelFileError(lines[-1] if lines else f"made {backend.package} exit with {child.returncode} in a child process")


def _main() -> None:
    try:
        interpreter = make_interpreter(sys.stdin.buffer.read(), BACKENDS[sys.argv[1]])
        details = interpreter.get_input_details()[0]
        noise = np.random.RandomState(0).randint(0, 256, 784)
        for pixels in (np.zeros(784), np.full(784, 255), noise):
            interpreter.set_tensor(details["index"], pixels.astype(details["dtype"]).reshape(details["shape"]))
            interpreter.invoke()
            interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    except (DigitsError, RuntimeError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main()
