"""TFLite Micro: which operators it has, and models run by the Python package `tflite-micro`, whose kernels are its reference kernels.

In: a FlatBuffer, and images.
Out: outputs, and the bytes of memory that it took.
"""
