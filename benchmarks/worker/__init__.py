"""The worker processes that hold backends and time them, and the client that asks them for turns.

In: Requests as JSON lines.
Out: raw nanoseconds; standard library and numpy alone.
"""
