"""The model cards, docs/models.md.

In: committed evaluations, measurements and model files.
Out: the page and its pictures.
"""
