"""Rewrite FlatBuffers: constants of a float model, space-to-depth of the first convolution, stripping.

In: A FlatBuffer.
Out: a FlatBuffer.
"""
