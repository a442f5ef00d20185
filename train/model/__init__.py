"""Keras models and losses.

In: A `TrainingConfig`.
Out: a Keras model and its loss.
"""
