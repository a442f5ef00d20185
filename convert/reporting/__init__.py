"""The report of a conversion: tables, summary, JSON, page and plots.

In: Conversions.
Out: text for the terminal, and files.
"""
