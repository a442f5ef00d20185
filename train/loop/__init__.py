"""The training loop: input pipeline, augmentation, optimizer, checkpoints, progress.

In: A `TrainingConfig` and a `Dataset`.
Out: A trained Keras model and its record.
"""
