"""Measurements besides latency: cold starts, sustained load, MLPerf LoadGen.

In: A running backend.
Out: records of a results file.
"""
