"""Experiments: a grid of trainings, the table of what came out, and what follows from the numbers.

Imports: edge_runtime, train (config, data, training, runs, plots); convert is handed in as a function by `cli`.
Imported by: nobody.
Flow: mnist.npz -> experiments/<name>/{experiment.json, cells/*.json, table.csv, report.md, *.png}
"""
