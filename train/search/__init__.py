"""Search of small networks: Optuna proposes, workers train, convert and measure, a study folder keeps what came out.

Imports: edge_runtime, train. What it needs of convert and benchmarks (int8 bytes, latency) it is handed as functions; `cli.py`, a
    composition root, hands them.
Imported by: nobody.
Flow: mnist.npz -> searches/<name>/{study.json, journal.log, trials.csv, report.md, pareto.png, points/<point>.toml} -> runs/<name>-<point>/
"""
