"""The machine: what it is, what state it is in, and what energy it takes.

In: What the operating system tells.
Out: records of a results file.
"""
