"""HTTP without routes: connections, limits, access, errors, logs, parsed bodies.

In: Sockets and ASGI messages.
Out: calls, and responses.
"""
