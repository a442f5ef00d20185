"""`digits read`: the digits of a line or a page in reading order, split or merged where that raises the model's confidence.

In: A picture of a line or a page.
Out: a `Reading`: lines of digits with boxes.
"""

from edge_runtime.reading.reader import Digit, Reader, Reading

__all__ = ["Digit", "Reader", "Reading"]
