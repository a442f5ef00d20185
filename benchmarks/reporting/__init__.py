"""Reports of one run: tables, plots, warnings, and the HTML of all pages.

In: A `BenchResult`.
Out: text, PNG and HTML.
"""
