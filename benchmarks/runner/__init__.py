"""One benchmark run: cases take turns in worker processes.

In: Model files and settings.
Out: a `BenchResult`.
"""
