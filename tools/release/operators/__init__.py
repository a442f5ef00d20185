"""The proof of which runtime release runs which operators.

In: Sample models and environments.
Out: convert/compatibility/proven_operators.json.
"""
