"""The machine: its hardware, its state, and its energy.

In: Files and counters of the operating system.
Out: records of a results file.
"""
