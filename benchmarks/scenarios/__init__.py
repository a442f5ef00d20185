"""What is measured besides steady latency: cold starts, sustained load, operators, MLPerf LoadGen.

In: A running worker.
Out: records of a results file.
"""
