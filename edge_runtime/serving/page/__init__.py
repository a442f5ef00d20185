"""The web page, and the routes /classify and /read for image files and /draw for strokes.

In: Image files and strokes.
Out: Predictions as JSON.
"""
