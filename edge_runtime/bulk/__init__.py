"""Many images into one table, on this machine's threads or on dask workers.

In: Names of inputs and a model.
Out: rows of a CSV or Parquet file.
"""
