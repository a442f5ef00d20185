"""Studies of reading pictures and classifying on a device.

In: Shipped models.
Out: committed results.
"""
