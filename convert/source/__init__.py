"""Keras models as they come: loading, folding of batch normalisation and scaling, the float FlatBuffer.

In: A .keras file.
Out: a `Source` with its float file and answers.
"""
