"""Studies of the server.

In: A running server.
Out: committed results.
"""
