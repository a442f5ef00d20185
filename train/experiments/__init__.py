"""Experiments: a grid of trainings, the table of results, and findings that hold over seeds.

In: A data set and a grid of settings.
Out: experiments/<name>/{experiment.json, cells/*.json, table.csv, report.md, *.png}.
"""
