"""Studies of the benchmark harness.

In: Shipped models.
Out: committed results.
"""
