"""What people would use instead of our classifier, to be measured beside it.

Imports: benchmarks, edge_runtime.
Imported by: nobody but the commands.
Flow: model file -> candidates, each in an environment that has its package; what is missing becomes a line in the results
"""
