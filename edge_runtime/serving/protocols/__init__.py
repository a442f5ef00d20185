"""KServe V2, TensorFlow Serving's REST, and the OpenAPI description.

In: Requests of a protocol.
Out: batches of images, and responses of the protocol.
"""
