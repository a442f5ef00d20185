"""Run functions on other machines or cores.

In: A function and its arguments.
Out: results, or the error of the worker.
"""
