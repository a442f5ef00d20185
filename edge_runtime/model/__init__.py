"""Model files: FlatBuffer, archive, manifest, hash checks.

In: A .tflite file.
Out: a checked `ModelFile`.
"""
