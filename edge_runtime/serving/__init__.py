"""HTTP server: a web page, KServe V2 and TensorFlow Serving's REST (docs/serving.md).

In: HTTP requests and model files.
Out: predictions as JSON or tensors. `http.guard` wraps all routes of `app`.
"""
