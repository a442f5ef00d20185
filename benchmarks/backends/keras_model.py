"""The float model in Keras: options["keras"] is its file, options["call"] whether it is called directly or by `predict`."""

from typing import Any

import numpy as np

from benchmarks.backends import LoadedModel

DISTRIBUTIONS = ("tensorflow", "keras")


def prepare(options: dict[str, Any]) -> None:
    """Import TensorFlow and Keras."""
    import keras  # noqa: F401


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """The saved model."""
    import keras
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    network = keras.saving.load_model(options["keras"], compile=False)
    shape = (-1, *network.input_shape[1:])

    def called(image: Any) -> object:
        return np.asarray(network(image.reshape(shape), training=False)).argmax()

    def predicted(image: Any) -> object:
        return network.predict(image.reshape(shape), verbose=0).argmax()

    def many(images: Any) -> Any:
        return network.predict(images.reshape(shape), verbose=0).argmax(axis=1)

    return LoadedModel(called if options["call"] else predicted, many)
