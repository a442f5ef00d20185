"""The training loop: input pipeline, augmentation, optimizer, checkpoints, progress.

In: A `TrainingConfig` and a `Dataset`.
Out: a fitted Keras model with its record.
"""
