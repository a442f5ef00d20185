"""Conversion: Keras models to quantised, self-describing TFLite files, each compared with the float model.

Imports: train, edge_runtime. Needs the `train` extra (TensorFlow).
Imported by: no package; only by commands.
Flow: model.keras -> <name>-<recipe>.tflite + report
"""
