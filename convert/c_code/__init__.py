"""Export of an int8 or int4 model as C99 for microcontrollers, with the proof that it computes the same integers.

In: a checked model file.
Out: digits_<name>.h, .c and _test.c, and a report: logits compared with LiteRT's reference kernels, flash and RAM by target.
"""
