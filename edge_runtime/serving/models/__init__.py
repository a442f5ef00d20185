"""The served models: loading, verification by golden images, reloading, interpreters for each thread.

In: Model files.
Out: Classifications of batches.
"""
