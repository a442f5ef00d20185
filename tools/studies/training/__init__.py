"""Studies of training.

In: Configs.
Out: committed results.
"""
