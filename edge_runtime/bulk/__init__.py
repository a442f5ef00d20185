"""Classify many images into one table, on this machine's threads or on dask workers.

In: Inputs of a command line, and a model.
Out: rows of a CSV or Parquet file.
"""
