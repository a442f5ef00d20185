"""Helpers for all packages: files, JSON, arrays, statistics, child processes. None of them needs a model.

In: Bytes, arrays and text.
Out: the same, checked or formatted.
"""
