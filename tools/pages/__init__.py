"""Writers of the tables in README.md and docs/.

In: Committed results.
Out: pages; `--check` only compares.
"""
