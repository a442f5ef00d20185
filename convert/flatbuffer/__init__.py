"""Float FlatBuffers read and written: constants, space-to-depth of the first convolution, stripping.

In: A FlatBuffer.
Out: a FlatBuffer.
"""
