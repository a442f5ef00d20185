"""Infer requests and responses of the Open Inference Protocol (KServe V2), in JSON and in its binary extension.

Pure: bytes in, bytes out. Sources: the protocol's REST specification, and "Binary Tensor Data Extension" and "Classification Extension"
of Triton's documentation. A model has one input and three outputs:

    pixels  UINT8 [-1, 28, 28]     0 = background, 255 = ink
    scores  FP32  [-1, classes]    probabilities
    label   BYTES [-1]             the label of the most probable class
    logits  FP32  [-1, classes]    the model's outputs, dequantised
"""

import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import SIDE, Batch
from edge_runtime.inference.classifier import Classifications
from edge_runtime.serving.http.errors import RequestError
from edge_runtime.serving.http.json_body import expect, parse_object, pixels_of
from edge_runtime.serving.http.messages import encode_json

INPUT = "pixels"
_MAX_CACHED_LENGTH = 1024
_BYTES_LENGTH = struct.Struct("<I")

OUTPUTS: dict[str, tuple[str, Callable[[Classifications], NDArray[Any] | list[str]]]] = {
    "scores": ("FP32", lambda found: found.scores.astype(np.float32)),
    "label": ("BYTES", lambda found: found.labels),
    "logits": ("FP32", lambda found: found.logits),
}


@frozen_dataclass
class RequestedOutput:
    """An output that a client requests. `classes`: return so many "value:index:label" strings, largest first; 0: the tensor itself."""

    name: str
    binary: bool = False
    classes: int = 0


@frozen_dataclass
class InferHeader:
    """The JSON part of an infer request.

    data: the tensor's numbers, if they are in the JSON.
    binary_size: number of bytes that follow the JSON otherwise.
    """

    shape: tuple[int, int, int]
    data: list[Any] | None
    binary_size: int
    id: str | None
    outputs: tuple[RequestedOutput, ...]


class InferRequest(NamedTuple):
    """Images, uint8 [N, 28, 28], and the requested outputs."""

    images: Batch
    id: str | None
    outputs: tuple[RequestedOutput, ...]


def parse_infer(body: bytes, header_length: bytes | None, model: str, max_images: int) -> InferRequest:
    """Parse the body of an infer request.

    Args:
        body: JSON; with `header_length`, so many bytes of JSON followed by the tensor's bytes. 0: the tensor's bytes only.
        header_length: value of the header Inference-Header-Content-Length, or None.
        model: name for messages.
        max_images: maximum number of images.

    Raises:
        RequestError: the body does not follow the protocol, or does not fit the model.
    """
    if header_length is None:
        header, binary = parse_infer_header(body, model, max_images), b""
    else:
        length = _header_length(header_length, len(body))
        if length == 0:
            return InferRequest(_raw_images(body, max_images), None, _all_outputs(binary=True))
        # The requests of a client differ in their pixels only, so the parsed JSON is cached.
        read = _cached_infer_header if length <= _MAX_CACHED_LENGTH else parse_infer_header
        header, binary = read(body[:length], model, max_images), body[length:]
    return InferRequest(_pixels(header, binary), header.id, header.outputs)


def parse_infer_header(text: bytes, model: str, max_images: int) -> InferHeader:
    """Parse the JSON part of an infer request; arguments and errors as `parse_infer`."""
    request = parse_object(text)
    inputs = expect(list, request.get("inputs"), "'inputs'")
    if len(inputs) != 1:
        raise RequestError(f"expected 1 input but got {len(inputs)} inputs for model '{model}'")
    tensor = expect(dict, inputs[0], "an input")
    shape = _checked_shape(tensor, model, max_images)
    identifier = request.get("id")
    return InferHeader(
        shape=shape,
        data=_numbers(tensor),
        binary_size=_binary_size(tensor, shape),
        id=None if identifier is None else expect(str, identifier, "'id'"),
        outputs=_requested_outputs(request, model),
    )


_cached_infer_header = lru_cache(maxsize=256)(parse_infer_header)


def format_infer(request: InferRequest, model: str, found: Classifications) -> tuple[bytes, int | None]:
    """The body of the response, and the length of its JSON part if binary tensors follow it, else None."""
    outputs: list[tuple[str, str, tuple[int, ...], int | list[Any]]] = []
    blobs = []
    for wanted in request.outputs:
        datatype, values = _computed(wanted, found)
        shape = (len(found), *np.shape(values)[1:])
        if wanted.binary:
            blobs.append(_as_bytes(values))
            outputs.append((wanted.name, datatype, shape, len(blobs[-1])))
        else:
            outputs.append((wanted.name, datatype, shape, np.ravel(values).tolist()))
    # Responses with binary outputs only differ in their bytes only, so their JSON is cached.
    write = (
        _cached_response_header
        if len(blobs) == len(outputs) and len(request.id or "") < _MAX_CACHED_LENGTH
        else write_response_header
    )
    header = write(model, request.id, tuple(outputs))
    return (b"".join((header, *blobs)), len(header)) if blobs else (header, None)


def write_response_header(
    model: str, identifier: str | None, outputs: tuple[tuple[str, str, tuple[int, ...], int | list[Any]], ...]
) -> bytes:
    """The JSON part of a response; each output is a name, datatype, shape, and its numbers or its length in bytes."""
    described = [
        {"name": name, "datatype": datatype, "shape": shape}
        | ({"parameters": {"binary_data_size": content}} if isinstance(content, int) else {"data": content})
        for name, datatype, shape, content in outputs
    ]
    answer: dict[str, Any] = {"model_name": model, "model_version": "1", "outputs": described}
    if identifier is not None:
        answer["id"] = identifier
    return encode_json(answer)


_cached_response_header = lru_cache(maxsize=256)(write_response_header)


def _computed(wanted: RequestedOutput, found: Classifications) -> tuple[str, NDArray[Any] | list[str]]:
    """Datatype and values of a requested output."""
    datatype, compute = OUTPUTS[wanted.name]
    values = compute(found)
    if not wanted.classes:
        return datatype, values
    return "BYTES", _top(np.asarray(values), wanted.classes, found.labels_of_classes)


def _header_length(text: bytes, maximum: int) -> int:
    if not (text.isdigit() and len(text) < 12 and int(text) <= maximum):
        shown = text[:20].decode("ascii", "replace")
        raise RequestError(f"Inference-Header-Content-Length is {shown!r}, expected 0 to {maximum}, the length of the body")
    return int(text)


def _raw_images(body: bytes, max_images: int) -> Batch:
    count, rest = divmod(len(body), SIDE * SIDE)
    if rest or not 1 <= count <= max_images:
        raise RequestError(f"a binary body has {SIDE * SIDE} bytes per image, 1 to {max_images} images; got {len(body)} bytes")
    return np.frombuffer(body, np.uint8).reshape(count, SIDE, SIDE)


def _checked_shape(tensor: dict[str, Any], model: str, max_images: int) -> tuple[int, int, int]:
    if tensor.get("name") != INPUT:
        raise RequestError(f"unexpected inference input {_short(tensor.get('name'))} for model '{model}'; it has '{INPUT}'")
    if tensor.get("datatype") != "UINT8":
        raise RequestError(
            f"inference input '{INPUT}' data-type is {_short(tensor.get('datatype'))}, but model '{model}' expects 'UINT8'"
        )
    shape = expect(list, tensor.get("shape"), "'shape'")
    if not all(type(length) is int for length in shape) or shape[1:] != [SIDE, SIDE]:
        raise RequestError(
            f"unexpected shape for input '{INPUT}' for model '{model}'. Expected [-1,{SIDE},{SIDE}], got {_short(shape)}"
        )
    if not 1 <= shape[0] <= max_images:
        raise RequestError(f"a request takes 1 to {max_images} images, got {_short(shape[0])}")
    return shape[0], SIDE, SIDE


def _numbers(tensor: dict[str, Any]) -> list[Any] | None:
    parameters = _parameters(tensor)
    if "shared_memory_region" in parameters:
        raise RequestError("shared memory is not supported; send the tensor's data in the request")
    if "binary_data_size" in parameters:
        if "data" in tensor:
            raise RequestError(f"input '{INPUT}' has both 'data' and 'binary_data_size'")
        return None
    return expect(list, tensor.get("data"), "'data'")


def _parameters(part: dict[str, Any]) -> dict[str, Any]:
    """The optional parameters of a request, input or output; clients that know none send null."""
    found = part.get("parameters")
    return {} if found is None else expect(dict, found, "'parameters'")


def _binary_size(tensor: dict[str, Any], shape: tuple[int, int, int]) -> int:
    size = _parameters(tensor).get("binary_data_size", 0)
    if type(size) is not int or size not in (0, math.prod(shape)):
        raise RequestError(f"'binary_data_size' is {_short(size)}, but the shape needs {math.prod(shape)}")
    return size


def _pixels(header: InferHeader, binary: bytes) -> Batch:
    if len(binary) != header.binary_size or (header.data is None and not binary):
        raise RequestError(f"{len(binary)} bytes follow the JSON, expected {header.binary_size}")
    if header.data is not None:
        return pixels_of(header.data, header.shape)
    return np.frombuffer(binary, np.uint8).reshape(header.shape)


def _requested_outputs(request: dict[str, Any], model: str) -> tuple[RequestedOutput, ...]:
    parameters = _parameters(request)
    binary = expect(bool, parameters.get("binary_data_output", False), "'binary_data_output'")
    if not request.get("outputs"):
        return _all_outputs(binary)
    outputs = [_parse_output(output, binary, model) for output in expect(list, request["outputs"], "'outputs'")]
    if len({wanted.name for wanted in outputs}) != len(outputs):
        raise RequestError("an output is requested twice")
    return tuple(outputs)


def _parse_output(output: Any, binary: bool, model: str) -> RequestedOutput:
    name = expect(dict, output, "an output").get("name")
    if type(name) is not str or name not in OUTPUTS:
        raise RequestError(f"unexpected inference output {_short(name)} for model '{model}'; it has {', '.join(OUTPUTS)}")
    parameters = _parameters(output)
    if "shared_memory_region" in parameters:
        raise RequestError("shared memory is not supported; outputs come in the response")
    classes = expect(int, parameters.get("classification", 0), "'classification'")
    if classes < 0 or (classes and OUTPUTS[name][0] != "FP32"):
        raise RequestError(f"'classification' is {_short(classes)} for output '{name}'; expected a count, for scores or logits")
    return RequestedOutput(name, expect(bool, parameters.get("binary_data", binary), "'binary_data'"), classes)


def _all_outputs(binary: bool) -> tuple[RequestedOutput, ...]:
    return tuple(RequestedOutput(name, binary) for name in OUTPUTS)


def _top(values: NDArray[Any], count: int, labels: Sequence[str]) -> NDArray[Any]:
    """Strings "value:index:label", shape [N, count], largest value first."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    rows = zip(values, order, strict=True)
    return np.array([[f"{row[index]:f}:{index}:{labels[index]}" for index in best] for row, best in rows])


def _as_bytes(values: NDArray[Any] | list[str]) -> bytes:
    """Little-endian numbers; strings each with their length before them, as the binary extension defines."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return values.astype("<f4", copy=False).tobytes()
    texts = [str(text).encode() for text in np.ravel(values)]
    return b"".join(_BYTES_LENGTH.pack(len(text)) + text for text in texts)


def _short(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else encode_json(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."
