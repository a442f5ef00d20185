"""Import TensorFlow and Keras, without the messages that they print on stderr while they look for GPUs. The only module that does."""

import os

from edge_runtime.common.stderr_filter import filter_stderr

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault(
    "TF_ENABLE_ONEDNN_OPTS", "1"
)  # on by default with AVX-512 only; with AVX2 it saves a third of the time of cnn

with filter_stderr():
    import keras
    import tensorflow as tf
    from keras import layers

    tf.get_logger().setLevel("ERROR")
    tf.config.list_physical_devices()  # looks for GPUs now, while stderr is filtered

__all__ = ["keras", "layers", "tf"]
