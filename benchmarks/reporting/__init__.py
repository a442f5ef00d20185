"""What becomes of results files: one page of several, regressions between two, and the choice of a model.

Imports: benchmarks, edge_runtime.
Imported by: nobody but the commands.
Flow: results/*.json -> what can be compared -> page, differences, choice
"""
