"""Measurements behind the docs.

In: The project and a machine.
Out: committed results.
"""
