"""Training configs: validated data, and their TOML files.

In: TOML or options.
Out: a `TrainingConfig`.
"""
