"""The page of `digits serve` and its own routes: /classify for image files, /draw for strokes.

In: Photos and strokes.
Out: 28x28 images and JSON.
"""
