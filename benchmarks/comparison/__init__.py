"""Several runs: one page of all, regressions between two, the choice of a model (`digits report`, `digits choose`).

In: Results files.
Out: a page, verdicts, a pick with its reasons.
"""
