"""The server's OpenAPI 3.1 document at /openapi.json, for generated clients and for tests.

Source: the OpenAPI Specification 3.1.0. A test compares its paths and methods with the routes. It is built in Python, since as a JSON
file it has 770 lines, even with its errors and parameters by reference.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from edge_runtime.common.pixels import SIDE
from edge_runtime.serving.http.messages import JSON, Request, Response, encode_json
from edge_runtime.version import __version__

Schema = dict[str, Any]
BINARY = "application/octet-stream"
_TEXT: Schema = {"type": "string"}
_PIXEL: Schema = {"type": "integer", "minimum": 0, "maximum": 255}
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/bmp", "image/gif", "image/webp", "image/tiff")


class OpenApi:
    """The route /openapi.json."""

    def __init__(self, max_images: int, *, with_token: bool) -> None:
        self._response = Response(encode_json(document(max_images, with_token=with_token)))

    async def page(self, request: Request) -> Response:
        """GET /openapi.json."""
        return self._response


def document(max_images: int, *, with_token: bool) -> Schema:
    """The OpenAPI document of a server, with its maximum number of images per request."""
    found: Schema = {
        "openapi": "3.1.0",
        "info": {"title": "digits serve", "version": __version__, "summary": "Handwritten digits, by TFLite models."},
        "paths": {**_kserve(), **_tensorflow(), **_plain()},
        "components": {"schemas": _schemas(max_images)},
    }
    if with_token:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return found


def _kserve() -> Schema:
    model = "/v2/models/{model}"
    header_length = {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "Length of the JSON part of a body in the binary extension. 0: the body is pixels only.",
        "schema": {"type": "integer", "minimum": 0},
    }
    infer = _operation(
        "Classify images (Open Inference Protocol).",
        _reference("InferAnswer"),
        body={JSON: _reference("InferRequest"), BINARY: {"type": "string", "format": "binary"}},
        parameters=[header_length],
        statuses=(400, 404, 408, 413, 415, 503),
    )
    infer["responses"]["200"]["content"][BINARY] = {"schema": {"type": "string", "format": "binary"}}
    return {
        "/v2": {"get": _operation("The server and its extensions.", _object(name=_TEXT, version=_TEXT, extensions=_list(_TEXT)))},
        "/v2/health/live": {"get": _operation("The server process responds.", _object(live={"const": True}))},
        "/v2/health/ready": {"get": _probe("All models passed their last check.", _object(ready={"type": "boolean"}))},
        **_versioned(model, "", "get", _operation("A model's tensors.", _reference("Model"), statuses=(404,))),
        **_versioned(
            model,
            "/ready",
            "get",
            _probe("The model passed its last check.", _object(name=_TEXT, ready={"type": "boolean"}), 404),
        ),
        **_versioned(model, "/config", "get", _operation("A model's configuration.", _reference("Configuration"), statuses=(404,))),
        **_versioned(model, "/stats", "get", _operation("Counts and times.", _reference("Statistics"), statuses=(404,))),
        "/v2/models/stats": {"get": _operation("Counts and times of all models.", _reference("Statistics"))},
        **_versioned(model, "/infer", "post", infer),
        "/v2/repository/index": {
            "post": _operation(
                "The served models.",
                _list(_object(name=_TEXT, version=_TEXT, state={"enum": ["READY", "UNAVAILABLE"]}, reason=_TEXT)),
                body={JSON: {"type": "object", "properties": {"ready": {"type": "boolean"}}}},
                body_required=False,
                statuses=(400, 408, 413, 415, 503),
            )
        },
        **{
            f"/v2/repository/models/{{model}}/{verb}": {
                "post": _disabled("Refused: changed model files are reloaded automatically.")
            }
            for verb in ("load", "unload")
        },
    }


def _tensorflow() -> Schema:
    model = "/v1/models/{model}"
    predict = _operation(
        "Classify images (TensorFlow Serving).",
        _reference("PredictAnswer"),
        body={JSON: _reference("PredictRequest")},
        statuses=(400, 404, 408, 413, 415, 503),
    )
    status = _object(
        version=_TEXT, state={"enum": ["AVAILABLE", "UNLOADING", "END"]}, status=_object(error_code=_TEXT, error_message=_TEXT)
    )
    return {
        **_versioned(
            model, "", "get", _operation("The served version.", _object(model_version_status=_list(status)), statuses=(404,))
        ),
        **_versioned(
            model,
            "/metadata",
            "get",
            _operation("The signature.", _object(model_spec={"type": "object"}, metadata={"type": "object"}), statuses=(404,)),
        ),
        **_versioned(model, ":predict", "post", predict),
    }


def _plain() -> Schema:
    which = {"name": "model", "in": "query", "description": "Name of the model; the first one if not given.", "schema": _TEXT}
    steps = {
        "name": "steps",
        "in": "query",
        "description": "1: with the model's input and the steps to it.",
        "schema": {"enum": ["0", "1"]},
    }
    file = {"type": "string", "format": "binary"}
    uploads: Mapping[str, Schema] = {
        **dict.fromkeys(_IMAGE_TYPES, file),
        "multipart/form-data": {"type": "object", "properties": {"image": file}, "required": ["image"]},
    }
    strokes = _object(strokes=_list(_list({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2})))
    return {
        "/": {"get": _operation("The web page.", _TEXT, media_type="text/html")},
        "/metrics": {"get": _operation("Metrics for Prometheus.", _TEXT, media_type="text/plain")},
        "/openapi.json": {"get": _operation("This document.", {"type": "object"})},
        "/classify": {
            "post": _operation(
                "Classify an image file.",
                _reference("Classified"),
                body=uploads,
                parameters=[which, steps],
                statuses=(400, 404, 408, 413, 415, 503),
            )
        },
        "/read": {
            "post": _operation(
                "Read all digits of an image file, line by line.",
                _reference("Read"),
                body=uploads,
                parameters=[which],
                statuses=(400, 404, 408, 413, 415, 503),
            )
        },
        "/draw": {
            "post": _operation(
                "Classify a drawing.",
                _reference("Classified"),
                body={JSON: strokes},
                parameters=[which, steps],
                statuses=(400, 404, 408, 413, 415, 503),
            )
        },
    }


def _schemas(max_images: int) -> Schema:
    pixels = {
        "oneOf": [_list(_PIXEL), _list(_rows())],
        "description": "0 = background, 255 = ink; flat, or nested like the shape.",
    }
    tensor = {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": {"const": "pixels"},
            "datatype": {"const": "UINT8"},
            "shape": {
                "type": "array",
                "prefixItems": [{"type": "integer", "minimum": 1, "maximum": max_images}, {"const": SIDE}, {"const": SIDE}],
                "minItems": 3,
                "maxItems": 3,
            },
            "data": pixels,
            "parameters": {"type": ["object", "null"], "properties": {"binary_data_size": {"type": "integer", "minimum": 0}}},
        },
    }
    wanted = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"enum": ["scores", "label", "logits"]},
            "parameters": {
                "type": ["object", "null"],
                "properties": {"classification": {"type": "integer", "minimum": 0}, "binary_data": {"type": "boolean"}},
            },
        },
    }
    images = {"type": "array", "items": _rows(), "minItems": 1, "maxItems": max_images}
    number = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "Error": _object(error=_TEXT),
        "Model": {"type": "object", "required": ["name", "versions", "platform", "inputs", "outputs"]},
        "Configuration": {"type": "object", "required": ["name", "platform", "max_batch_size", "input", "output"]},
        "Statistics": _object(
            model_stats=_list({"type": "object", "required": ["name", "version", "inference_count", "inference_stats"]})
        ),
        "InferRequest": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": _TEXT,
                "inputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1},
                "outputs": _list(wanted),
                "parameters": {"type": ["object", "null"], "properties": {"binary_data_output": {"type": "boolean"}}},
            },
        },
        "InferAnswer": {
            "type": "object",
            "required": ["model_name", "model_version", "outputs"],
            "properties": {
                "model_name": _TEXT,
                "model_version": {"const": "1"},
                "id": _TEXT,
                "outputs": _list(
                    {
                        "type": "object",
                        "required": ["name", "datatype", "shape"],
                        "properties": {
                            "name": {"enum": ["scores", "label", "logits"]},
                            "datatype": {"enum": ["FP32", "BYTES"]},
                            "shape": _list({"type": "integer", "minimum": 1}),
                            "data": _list({"type": ["number", "string"]}),
                            "parameters": _object(binary_data_size={"type": "integer", "minimum": 0}),
                        },
                    }
                ),
            },
        },
        "PredictRequest": {
            "type": "object",
            "properties": {"signature_name": {"const": "serving_default"}, "instances": images, "inputs": images},
            "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
        },
        "PredictAnswer": {"type": "object", "additionalProperties": _list(_list(number)), "minProperties": 1, "maxProperties": 1},
        "Read": _object(
            source=_TEXT,
            text=_TEXT,
            digits=_list(_object(label=_TEXT, confidence=number, box={**_list({"type": "number"}), "minItems": 4, "maxItems": 4})),
            warnings=_list(_TEXT),
            model=_TEXT,
            sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
        ),
        "Classified": {
            "type": "object",
            "required": [
                "source",
                "label",
                "index",
                "confidence",
                "scores",
                "warnings",
                "model",
                "sha256",
                "labels",
                "nanoseconds",
            ],
            "properties": {
                "source": _TEXT,
                "label": {"type": ["string", "null"], "description": "null, as the next three, if the picture shows no digit"},
                "index": {"type": ["integer", "null"], "minimum": 0},
                "confidence": {**number, "type": ["number", "null"]},
                "scores": {**_list(number), "type": ["array", "null"]},
                "warnings": _list(_TEXT),
                "model": _TEXT,
                "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                "labels": _list(_TEXT),
                "image": {**_TEXT, "description": "with steps=1: the 28x28 pixels that the model saw, base64"},
                "steps": {**_list({"type": "object"}), "description": "with steps=1: pictures of the preparation"},
                "nanoseconds": _object(prepare={"type": "integer"}, model={"type": "integer"}),
            },
        },
    }


def _operation(
    summary: str,
    answer: Schema,
    *,
    media_type: str = JSON,
    body: Mapping[str, Schema] | None = None,
    body_required: bool = True,
    parameters: Sequence[Schema] = (),
    statuses: Sequence[int] = (),
) -> Schema:
    """An operation with its response for status 200, and errors: those given, and those that every operation can have."""
    errors = {str(status): _response(f"Error {status}.", _reference("Error")) for status in {401, 403, 431, 503, *statuses}}
    found: Schema = {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"200": _response("The response.", answer, media_type), **dict(sorted(errors.items()))},
    }
    if body:
        found["requestBody"] = {"required": body_required, "content": {kind: {"schema": schema} for kind, schema in body.items()}}
    return found


def _probe(summary: str, answer: Schema, *statuses: int) -> Schema:
    """An operation with the same response for 200 and 503."""
    found = _operation(summary, answer, statuses=statuses)
    found["responses"]["503"] = _response("Not ready.", {"anyOf": [answer, _reference("Error")]})
    return found


def _disabled(summary: str) -> Schema:
    found = _operation(summary, _reference("Error"))
    del found["responses"]["200"]
    found["parameters"] = [_path_parameter("model")]
    return found


def _versioned(path: str, rest: str, method: str, operation: Schema) -> Schema:
    model, version = _path_parameter("model"), _path_parameter("version")
    return {
        path + rest: {method: {**operation, "parameters": [model, *operation["parameters"]]}},
        f"{path}/versions/{{version}}{rest}": {method: {**operation, "parameters": [model, version, *operation["parameters"]]}},
    }


def _path_parameter(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _response(description: str, schema: Schema, media_type: str = JSON) -> Schema:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _rows() -> Schema:
    row = {"type": "array", "items": _PIXEL, "minItems": SIDE, "maxItems": SIDE}
    return {"type": "array", "items": row, "minItems": SIDE, "maxItems": SIDE}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
