"""Which operators run in which release of which runtime: the proven table, targets, real environments.

In: A graph and target names.
Out: releases that run it, and what does not.
"""
