"""Worker processes, which load backends and time them, and the client that sends them requests.

In: Requests as JSON lines.
Out: raw nanoseconds. Modules that workers import need the standard library and numpy alone.
"""
