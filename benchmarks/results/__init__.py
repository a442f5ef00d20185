"""The results file: its records, their checks, and its JSON Schema.

In: Records, or a JSON file.
Out: a `BenchResult`.
"""
