"""Data sets of 28x28 grey images and their fixed splits. Needs numpy only, so that it works on a device.

In: mnist.npz, another .npz of that layout, or a folder of IDX files.
Out: a `Dataset` with training, validation and test split.
"""

from train.data.dataset import Dataset, Split, load_dataset
from train.data.splits import CALIBRATION_PER_CLASS, calibration_indices, validation_count

__all__ = ["CALIBRATION_PER_CLASS", "Dataset", "Split", "calibration_indices", "load_dataset", "validation_count"]
