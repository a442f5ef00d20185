"""HTTP below the routes: connections, limits, access, errors, logs, JSON bodies.

In: Sockets and ASGI messages.
Out: requests and responses.
"""
