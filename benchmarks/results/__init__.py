"""The results file: its records, their validation, and its JSON Schema.

In: Records, or a JSON file.
Out: a `BenchResult`.
"""
