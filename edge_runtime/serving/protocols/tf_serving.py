"""TensorFlow Serving's REST API: model status, metadata, and predict in row and in column format.

Source: "RESTful API" of TensorFlow Serving's documentation. The signature is `serving_default`; its input `pixels` takes whole numbers from
0 to 255, [28, 28] or [28, 28, 1] an image; its output `scores` are the probabilities of the classes.
"""

from typing import Any

import numpy as np

from edge_runtime.common.pixels import SIDE, Batch
from edge_runtime.inference.classifier import Classifications
from edge_runtime.serving.http.errors import NotFound, RequestError
from edge_runtime.serving.http.json_body import expect, parse_object, pixels_of
from edge_runtime.serving.http.messages import Request, Response, as_json
from edge_runtime.serving.models.pool import WorkerThreads
from edge_runtime.serving.models.repository import NOT_LOADED, ModelRepository, ServedModel

SIGNATURE, INPUT, OUTPUT = "serving_default", "pixels", "scores"


class TFServing:
    """The routes under /v1/models."""

    def __init__(self, models: ModelRepository, workers: WorkerThreads, max_images: int) -> None:
        self._models = models
        self._workers = workers
        self._max_images = max_images

    async def status(self, request: Request) -> Response:
        """GET /v1/models/NAME: the served version and its state."""
        reason = self._models.states()[self._name(request)]
        state, status = "AVAILABLE", {"error_code": "OK", "error_message": ""}
        if reason:
            state, status = "END" if reason == NOT_LOADED else "UNLOADING", {"error_code": "UNAVAILABLE", "error_message": reason}
        return as_json({"model_version_status": [{"version": "1", "state": state, "status": status}]})

    async def metadata(self, request: Request) -> Response:
        """GET /v1/models/NAME/metadata: the signature."""
        served = self._get(request)
        signature = {
            "inputs": {INPUT: _tensor_info("DT_UINT8", (-1, SIDE, SIDE), INPUT)},
            "outputs": {OUTPUT: _tensor_info("DT_FLOAT", (-1, len(served.model.labels)), OUTPUT)},
            "method_name": "tensorflow/serving/predict",
        }
        return as_json(
            {
                "model_spec": {"name": served.name, "signature_name": "", "version": "1"},
                "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
            }
        )

    async def predict(self, request: Request) -> Response:
        """POST /v1/models/NAME:predict: probabilities of images."""
        served = self._get(request)
        images, by_row = await self._workers.parse(parse_predict, await request.body(), self._max_images)
        found, _ = await served.classify(images)
        return as_json(format_predict(found, by_row))

    def _get(self, request: Request) -> ServedModel:
        self._name(request)
        return self._models.get(request.parameters)

    def _name(self, request: Request) -> str:
        """The model that a path names; an unknown one raises TensorFlow Serving's message."""
        try:
            return self._models.name_of(request.parameters)
        except NotFound as error:
            version = request.parameters.get("version", "")[:20]
            wanted = (
                f"Specific({request.parameters['model'][:64]}, {version})"
                if version
                else f"Latest({request.parameters['model'][:64]})"
            )
            raise NotFound(f"Servable not found for request: {wanted}") from error


def parse_predict(body: bytes, max_images: int) -> tuple[Batch, bool]:
    """Parse the body of a predict request: images, uint8 [N, 28, 28], and whether they are in row format ("instances").

    Raises:
        RequestError: the body does not follow the API, or does not fit the model.
    """
    request = parse_object(body)
    signature = request.get("signature_name") or SIGNATURE
    if signature != SIGNATURE:
        raise RequestError(f"Serving signature name: {str(signature)[:40]!r} not found in signature def; there is '{SIGNATURE}'")
    if ("instances" in request) == ("inputs" in request):
        raise RequestError("the request needs either 'instances' (row format) or 'inputs' (column format)")
    by_row = "instances" in request
    data = [_named(row) for row in expect(list, request["instances"], "'instances'")] if by_row else _named(request["inputs"])
    return _images(expect(list, data, "'inputs'"), max_images), by_row


def format_predict(found: Classifications, by_row: bool) -> dict[str, Any]:
    """The JSON of the response: a list of scores per image, under the name that belongs to the request's format."""
    return {"predictions" if by_row else "outputs": found.scores.astype(np.float32).tolist()}


def _named(value: Any) -> Any:
    """The input's value: the value itself, or that of {"pixels": value}."""
    if type(value) is not dict:
        return value
    if "b64" in value:
        raise RequestError("the input takes pixels, not encoded files (b64); POST an image file to /classify")
    if list(value) != [INPUT]:
        raise RequestError(f"the signature has one input, '{INPUT}'; got {', '.join(map(repr, value))[:80] or 'none'}")
    return value[INPUT]


def _images(data: list[Any], max_images: int) -> Batch:
    if not 1 <= len(data) <= max_images:
        raise RequestError(f"a request takes 1 to {max_images} images, got {len(data)}")
    with_channel = _depth(data) == 4
    shape = (len(data), SIDE, SIDE, 1) if with_channel else (len(data), SIDE, SIDE)
    if _depth(data) < 3:
        raise RequestError(f"an image is {SIDE} rows of {SIDE} numbers; got an array with {_depth(data)} dimensions for all images")
    return pixels_of(data, shape).reshape(len(data), SIDE, SIDE)


def _depth(data: Any) -> int:
    """Nesting depth of the first elements, at most 5."""
    depth = 0
    while type(data) is list and data and depth < 5:
        data, depth = data[0], depth + 1
    return depth


def _tensor_info(dtype: str, shape: tuple[int, ...], name: str) -> dict[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in shape]
    return {"dtype": dtype, "tensor_shape": {"dim": dimensions, "unknown_rank": False}, "name": f"{name}:0"}
