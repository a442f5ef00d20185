"""One run, shown: tables, plots, warnings, and the HTML of every page.

In: A `BenchResult`.
Out: text, PNG and HTML.
"""
