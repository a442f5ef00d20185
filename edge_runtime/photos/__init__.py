"""Photos of digits become MNIST's own form: pure functions on arrays, numpy alone. docs/photos.md shows every step.

Flow: pixels -> grey -> ground -> contrast -> ink without the paper's lines -> strokes of one digit -> fine -> uint8 [28, 28]
"""

from edge_runtime.photos.chain import Photo, read_photo
from edge_runtime.photos.grey import grey_of, upright

__all__ = ["Photo", "grey_of", "read_photo", "upright"]
