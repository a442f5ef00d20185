"""Architecture search: Optuna proposes small networks, workers train, convert and measure them.

In: A data set and limits; int8 conversion and latency measurement are passed in as functions by `cli`.
Out: searches/<name>/{study.json, journal.log, trials.csv, report.md, pareto.png, points/<point>.toml}.
"""
