"""Training of Keras models: data sets, runs, experiments, architecture search.

Imports: edge_runtime. `train.data` needs numpy alone, so that it loads on a device; everything else needs the `train` extra.
Imported by: convert; benchmarks (train.data only).
Flow: mnist.npz -> runs/<name>/{model.keras, training.json, curves.png}
"""
