"""What a conversion found, as table, JSON, page and plots.

In: Conversions.
Out: text, parts of a page and PNG.
"""
