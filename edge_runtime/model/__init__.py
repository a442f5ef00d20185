"""Read and check model files: FlatBuffer, archive, manifest, hash.

In: A .tflite file.
Out: a checked `ModelFile`.
"""
