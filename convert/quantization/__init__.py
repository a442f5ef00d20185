"""Recipes, calibration, quantisers, mixed precision and quantisation-aware training.

In: A float FlatBuffer and calibration images.
Out: a quantised FlatBuffer.
"""
