"""Data sets of 28x28 grey images and the fixed splits of them. numpy only, so it loads on a device too.

Imports: edge_runtime (errors, pixel contract).
Imported by: train, convert, benchmarks.
"""

from train.data.dataset import Dataset, Split, load_dataset
from train.data.splits import CALIBRATION_PER_CLASS, calibration_indices, validation_count

__all__ = ["CALIBRATION_PER_CLASS", "Dataset", "Split", "calibration_indices", "load_dataset", "validation_count"]
