"""Classify images and pictures with a TFLite interpreter, and detect images that are out of distribution.

In: A `ModelFile`, and uint8 [N, 28, 28] or pictures.
Out: labels, scores and warnings.
"""
