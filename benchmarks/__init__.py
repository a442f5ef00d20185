"""Benchmarks: latency, size and accuracy of model files on this board, and reports about them.

Imports: edge_runtime, train.data. Plots and pages need the `bench` extra.
Imported by: nobody but the commands.
Flow: *.tflite on this board -> results/<board>.json -> report.html
"""
