"""How many cores a training may use. To be said before TensorFlow is loaded, so it is not part of `train.backend`."""

import os
import threading

# Held around a training in a process that may be asked for several: seeds and TensorFlow's switches are those of the whole process.
one_training = threading.Lock()

THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


def limit_threads(count: int) -> None:
    """Let TensorFlow use `count` threads in this process and its children; no effect once TensorFlow is loaded."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(count)
