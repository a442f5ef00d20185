"""Sources of pictures: files, folders, arrays, Parquet, a watched folder, a camera.

In: Paths, patterns and sources from a command line.
Out: pictures with their sources.
"""
