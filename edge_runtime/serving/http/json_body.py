"""Strict parsing of JSON request bodies, and of pixels in them."""

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from edge_runtime.common.pixels import Batch
from edge_runtime.serving.http.errors import RequestError

T = TypeVar("T")


def parse_object(text: bytes) -> dict[str, Any]:
    """Parse a body as a JSON object.

    Raises:
        RequestError: it is not a JSON object, or contains NaN, infinity, or deeper nesting than Python parses.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"failed to parse the request JSON: {' '.join(str(error).split())[:200]}") from error
    return expect(dict, value, "the request")


def expect(kind: type[T], value: Any, what: str) -> T:
    """Return `value` if it has the JSON type `kind`.

    Raises:
        RequestError: it has another type; the message names `what` and the type.
    """
    if type(value) is not kind:
        raise RequestError(f"{what} is {_NAMES.get(type(value), 'of another type')}, expected {_NAMES[kind]}")
    checked: T = value
    return checked


def pixels_of(data: list[Any], shape: Sequence[int]) -> Batch:
    """Convert a JSON array, flat or nested like `shape`, to uint8 of that shape.

    Takes whole numbers from 0 to 255, also written as 3.0.

    Raises:
        RequestError: the array does not match the shape, or an element is not such a number.
    """
    flat = _flatten(data, shape)
    kinds = set(map(type, flat))
    if kinds in ({float}, {int, float}):
        flat = _whole(flat)
    elif kinds - {int}:
        raise RequestError("pixels are whole numbers from 0 (background) to 255 (ink); an element is not a number")
    try:
        return np.frombuffer(bytes(flat), np.uint8).reshape(shape)
    except ValueError as error:
        raise RequestError("pixels are whole numbers from 0 (background) to 255 (ink); one is outside this range") from error


def _flatten(data: list[Any], shape: Sequence[int]) -> list[Any]:
    count = math.prod(shape)
    if not data or type(data[0]) is not list:
        if len(data) != count:
            raise RequestError(f"got {len(data)} numbers, expected {count} for shape {list(shape)}")
        return data
    level = [data]
    for length in shape:
        if any(type(part) is not list or len(part) != length for part in level):
            raise RequestError(f"the numbers are not nested like shape {list(shape)}")
        level = list(itertools.chain.from_iterable(level))
    return level


def _whole(numbers: list[Any]) -> list[int]:
    if not all(type(number) is int or number == int(number) for number in numbers):
        hint = "; these look divided by 255: send the original values" if max(numbers) <= 1 else ""
        raise RequestError(f"pixels are whole numbers from 0 (background) to 255 (ink); one has a fraction{hint}")
    return [int(number) for number in numbers]


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is too large for a float")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


_NAMES: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "an integer",
    float: "a number with a fraction",
    bool: "a boolean",
    type(None): "null",
}
