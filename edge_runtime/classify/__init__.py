"""`digits classify`: predictions for pictures from files, folders, a camera or a stream.

In: Pictures with their sources.
Out: predictions as text, JSON, CSV or a drawing.
"""
