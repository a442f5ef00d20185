"""Several digits in one picture: found, parted or put together where that makes digits of them, and read in order.

Flow: pixels -> ink -> marks in lines -> digits
"""

from edge_runtime.reading.reader import Digit, Reader, Reading

__all__ = ["Digit", "Reader", "Reading"]
