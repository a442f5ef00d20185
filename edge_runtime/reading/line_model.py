"""The line model: a network that reads a whole line of digits at once, touching and overlapping ones too, without cutting it first.

It gives probabilities of ten digits and a blank for every second column of a line image, and was trained by connectionist temporal
classification (A. Graves et al., ICML 2006): each digit is a run of columns with its class, and blanks part equal neighbours.
"""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.quantization import dequantize, softmax
from edge_runtime.errors import ModelFileError
from edge_runtime.inference.interpreter import Backend, find_backend, make_interpreter
from edge_runtime.reading.line_image import HEIGHT, LineImage

LINE_MODEL = Path(__file__).parents[1] / "models" / "lines" / "lines-int8.tflite"
WIDTH = 256
"""Columns that the model takes at once. Longer lines are read in windows."""
STEP = 2
"""Columns of the line image per column of the output."""
OVERLAP = 64
"""Columns that neighbouring windows share: more than twice the 20 to each side that an output column depends on."""
BLANK = 10
"""The class of a column without a digit."""


@frozen_dataclass
class LineDigit:
    """A digit of a line: its label, its probability, and the first and last column of the line image where the model sees it."""

    label: str
    probability: float
    first: int
    last: int


class LineModel:
    """The line model in an interpreter. Threads may share it; they wait for each other."""

    def __init__(self, flatbuffer: bytes, backend: Backend, threads: int = 1) -> None:
        """Load the model from its FlatBuffer.

        Raises:
            ModelFileError: it is none of a line model, or the interpreter refuses it.
            MissingPackage: the backend cannot be imported.
        """
        self._interpreter = make_interpreter(flatbuffer, backend, threads)
        (source,), (sink,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        shapes = tuple(source["shape"]), tuple(sink["shape"])
        if shapes != ((1, HEIGHT, WIDTH, 1), (1, WIDTH // STEP, BLANK + 1)) or {source["dtype"], sink["dtype"]} != {np.int8}:
            raise ModelFileError(f"is no line model: it takes and gives {shapes}")
        self._input, self._output = source["index"], sink["index"]
        self._scale, self._zero_point = sink["quantization"]
        self._lock = Lock()

    @classmethod
    def load(cls, path: Path = LINE_MODEL, backend: str | None = None, threads: int = 1) -> "LineModel":
        """Load the shipped line model, or one from `path`.

        Raises:
            ModelFileError: the file cannot be read, or is no line model.
            MissingPackage: no interpreter is installed.
        """
        try:
            flatbuffer = path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from error
        return cls(flatbuffer, find_backend(backend), threads)

    def outputs(self, line: LineImage) -> NDArray[np.int8]:
        """The raw outputs of a line: int8 [ceil(W / 2), 11].

        Args:
            line: uint8 [32, W], W at least 1.
        """
        columns = line.shape[1]
        found = np.empty((-(-columns // STEP), BLANK + 1), np.int8)
        done = 0
        for start in range(0, max(1, columns - OVERLAP), WIDTH - OVERLAP):
            window = np.full((HEIGHT, WIDTH), -128, np.int8)
            part = line[:, start : start + WIDTH]
            window[:, : part.shape[1]] = (part ^ 0x80).view(np.int8)  # in two's complement, that subtracts 128
            last = start + WIDTH >= columns
            end = len(found) if last else (start + WIDTH - OVERLAP // 2) // STEP
            found[done:end] = self._run(window)[done - start // STEP : end - start // STEP]
            done = end
            if last:
                break
        return found

    def _run(self, window: NDArray[np.int8]) -> NDArray[np.int8]:
        with self._lock:
            self._interpreter.set_tensor(self._input, window[np.newaxis, :, :, np.newaxis])
            self._interpreter.invoke()
            outputs: NDArray[np.int8] = self._interpreter.get_tensor(self._output)[0]
        return outputs

    def probabilities(self, line: LineImage) -> NDArray[np.float32]:
        """The probability of each digit and of the blank, for every second column of a line: float32 [ceil(W / 2), 11]."""
        return np.asarray(softmax(dequantize(self.outputs(line), self._scale, self._zero_point)), np.float32)

    def read(self, line: LineImage) -> list[LineDigit]:
        """The digits of a line, uint8 [32, W], from left to right."""
        return digits_of(self.probabilities(line))


def digits_of(probabilities: NDArray[Any]) -> list[LineDigit]:
    """The digits of the most probable class of each column, [T, 11]: equal neighbours are one digit, blanks are none."""
    found = []
    for label, run in groupby(enumerate(probabilities.argmax(axis=1).tolist()), key=lambda column: column[1]):
        columns = [number for number, _ in run]
        if label != BLANK:
            probability = float(probabilities[columns, label].max())
            found.append(LineDigit(str(label), probability, STEP * columns[0], STEP * columns[-1] + STEP - 1))
    return found


def text_of(digits: Iterable[LineDigit]) -> str:
    """The labels of digits, from left to right."""
    return "".join(digit.label for digit in digits)
