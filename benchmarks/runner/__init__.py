"""A benchmark run: session -> scheduler -> worker pool -> worker processes, in which cases take turns.

In: Model files and settings.
Out: a `BenchResult`.
"""
