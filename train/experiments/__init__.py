"""Experiments: train a grid of settings, and test claims over seeds.

In: A data set and a grid of settings.
Out: experiments/<name>/{experiment.json, cells/*.json, table.csv, report.md, *.png}.
"""
