"""Runs on an emulated board: classifies a file of images with one model, saves the outputs, tells what ran.

    python3 on_device.py MODEL IMAGES.npy OUTPUTS.npz BACKEND

prints one JSON object: the machine, and the last operator of the graph as the interpreter runs it (DELEGATE: XNNPACK took it over).
"""

import json
import platform
import sys

import numpy as np

from edge_runtime import Classifier
from edge_runtime.inference.interpreter import make_interpreter


def main(model: str, images: str, outputs: str, backend: str) -> None:
    """Write `outputs` and `indices` of every image to a file; print what ran."""
    classifier = Classifier.load(model, backend=backend)
    answers = classifier.classify_batch(np.load(images))
    np.savez(outputs, outputs=answers.outputs, indices=answers.indices)
    operators = make_interpreter(classifier.model.flatbuffer, classifier.backend)._get_ops_details()
    print(json.dumps({"machine": platform.machine(), "last_operator": operators[-1]["op_name"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
