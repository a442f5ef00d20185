"""Studies of conversion.

In: Released models.
Out: committed results.
"""
