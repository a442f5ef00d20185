"""Making, judging and proving released models, and the wheels for boards.

In: Training runs.
Out: release files and their evaluation.
"""
