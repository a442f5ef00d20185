"""Where pictures come from: files, folders, arrays, Parquet, a watched folder, a camera.

In: Names on a command line.
Out: pictures with their sources.
"""
