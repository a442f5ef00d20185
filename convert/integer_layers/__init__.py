"""What an int8 or int4 model computes, in integers alone, with the roundings of LiteRT's reference kernels.

In: the FlatBuffer of a chain of operators.
Out: its layers with every constant ready, and a place in memory for each output.
"""
