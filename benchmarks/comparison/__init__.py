"""Several runs: a page about all, regressions between two, and choosing a model (`digits report`, `digits choose`).

In: Results files.
Out: a page, regressions, a choice with its reasons.
"""
