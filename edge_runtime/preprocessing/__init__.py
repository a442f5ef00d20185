"""Normalise photos, scans and drawings to MNIST's form, with pure functions on arrays. Begin with `pipeline.read_photo`.

In: Image files or pixels of any size.
Out: uint8 [28, 28], 0 = background, with warnings. Steps: grayscale, background, ruled lines, segmentation, normalization.
"""
