"""`digits read`: several digits in one picture, split or merged where the model prefers that, in reading order.

In: A picture of a line or a page.
Out: a `Reading`: lines of digits with boxes.
"""

from edge_runtime.reading.reader import Digit, Reader, Reading

__all__ = ["Digit", "Reader", "Reading"]
