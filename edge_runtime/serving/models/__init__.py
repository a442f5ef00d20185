"""The models that are served: loading, proof by golden images, reloading, interpreters per thread.

In: Model files.
Out: classifications of batches.
"""
