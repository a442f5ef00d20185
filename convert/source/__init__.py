"""Keras models: loading, folding of batch normalisation and scaling, conversion by TensorFlow.

In: A .keras file.
Out: a `Source` with its float FlatBuffer and logits.
"""
