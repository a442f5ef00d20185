"""The int8 FlatBuffer of a Keras model in one call, as experiments and searches need it. Importing this loads no TensorFlow."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def int8_flatbuffer(model: Any, images: NDArray[np.uint8]) -> bytes:
    """Convert a Keras model to int8, calibrated on uint8 [N, 28, 28] images; neither folded nor stripped.

    Raises:
        DigitsError: TensorFlow's converter or quantiser failed.
        InputError: the model has operators that are not built in.
    """
    from convert.quantization.recipes import RECIPES
    from convert.source.tf_converter import to_flatbuffer

    return to_flatbuffer(model, RECIPES["int8"], images)
