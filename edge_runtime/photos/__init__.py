"""Photos of digits become MNIST's own form: pure functions on arrays, numpy alone.

docs/photos.md shows every step. Begin with `chain.read_photo`.
Flow: pixels -> grey -> ground -> contrast -> ink without the paper's lines -> strokes of one digit -> fine -> uint8 [28, 28]
"""
