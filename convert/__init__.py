"""Conversion: Keras models to quantised, self-describing TFLite files, proven against the float model.

Imports: train, edge_runtime. Needs the `train` extra (TensorFlow).
Imported by: nobody but the commands.
Flow: model.keras -> <name>-<recipe>.tflite + report
"""
