"""Float and quantised model on the same images: gate, comparison, errors by layer, latency.

In: Two models and images.
Out: verdicts and figures.
"""
