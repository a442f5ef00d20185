"""What every room uses: errors aside, small helpers without a model.

In: Bytes, arrays and text.
Out: the same, checked.
"""
