"""Classifying 28x28 images with one of the TFLite interpreters.

In: A `ModelFile` and uint8 [N, 28, 28].
Out: labels, scores, and whether an image is out of distribution.
"""
