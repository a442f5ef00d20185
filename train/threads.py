"""How many cores a training may use. To be said before TensorFlow is loaded, so it is not part of `train.backend`."""

import os


def limit_threads(count: int) -> None:
    """Let TensorFlow use `count` threads in this process and its children; no effect once TensorFlow is loaded."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(count)
