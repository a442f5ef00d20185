"""Boards that are reached over SSH: set up, run commands on, deploy models to.

In: host names and groups (boards.toml), wheels, model files; the system's OpenSSH client.
Out: environments and models on the boards, what commands print and write there.
"""
