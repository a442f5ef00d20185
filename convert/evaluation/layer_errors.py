"""Error of each operator's output: the quantised file compared with the float file on the same real images."""

from dataclasses import dataclass
from math import inf, log10

import numpy as np
from numpy.typing import NDArray

from convert.flatbuffer.float_model import FloatModel, Operation
from convert.quantization.activation_ranges import activations


@dataclass(frozen=True)
class LayerError:
    """Error of one operator's output, which includes the errors of the operators before it.

    operator, output: kind of the operator and tensor number of its output, in the float file.
    mean_square: mean squared difference. cosine: cosine similarity of all values. signal_to_noise: in dB; infinite if nothing differs.
    """

    operator: str
    output: int
    mean_square: float
    cosine: float
    signal_to_noise: float


def layer_errors(floats: bytes, quantised: bytes, images: NDArray[np.uint8]) -> list[LayerError]:
    """Compare a float file with a quantised one operator by operator, in the order of execution.

    Args:
        floats: the float FlatBuffer.
        quantised: one made from it. Operators are matched by kind, name and shape of output; those in one file only are left out.
        images: uint8 [N, 28, 28].
    """
    file = FloatModel(floats)
    other = FloatModel(quantised)
    there = {_key(other, operation): operation.output for operation in other.operations}
    pairs = {operation.output: there[key] for operation in file.operations if (key := _key(file, operation)) in there}
    sums: dict[int, NDArray[np.float64]] = {}  # of difference squared, float squared, quantised squared, product
    values = 0
    for before, after in zip(activations(floats, images), activations(quantised, images), strict=True):
        for number, counterpart in pairs.items():
            if number not in before or counterpart not in after:
                continue  # shapes, not activations
            exact, approximate = before[number].astype(np.float64), after[counterpart].astype(np.float64)
            parts = np.array(
                [
                    np.sum((approximate - exact) ** 2),
                    np.sum(exact**2),
                    np.sum(approximate**2),
                    np.sum(exact * approximate),
                ]
            )
            sums[number] = sums.get(number, 0) + parts
        values += len(next(iter(before.values())))
    return [
        _error(operation.kind, operation.output, sums[operation.output], values * int(np.prod(file.shape(operation.output)[1:])))
        for operation in file.operations
        if operation.output in sums
    ]


def _key(file: FloatModel, operation: Operation) -> tuple[str, str, tuple[int, ...]]:
    return operation.kind, file.names[operation.output], tuple(file.shape(operation.output))


def _error(operator: str, output: int, sums: NDArray[np.float64], count: int) -> LayerError:
    difference, exact, approximate, product = map(float, sums)
    lengths = (exact * approximate) ** 0.5
    return LayerError(
        operator,
        output,
        mean_square=difference / count,
        cosine=product / lengths if lengths else 1.0,
        signal_to_noise=10 * log10(exact / difference) if exact and difference else inf if not difference else -inf,
    )
