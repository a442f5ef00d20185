"""Statistics of raw samples, and multiply-adds of a graph.

In: Raw samples, or a FlatBuffer.
Out: percentiles, medians with intervals, ratios, counts.
"""
