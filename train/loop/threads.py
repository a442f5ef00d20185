"""Number of threads for training. To be set before TensorFlow is loaded, so it is not part of `train.backend`."""

import os
import threading

# Held during a training in a worker, since seeds and TensorFlow's settings are global to the process.
one_training = threading.Lock()

THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


def limit_threads(count: int) -> None:
    """Let TensorFlow use `count` threads in this process and its children; no effect once TensorFlow is loaded."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(count)
