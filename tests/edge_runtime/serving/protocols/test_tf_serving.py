"""TensorFlow Serving's REST API, with requests from its documentation."""

import json

import numpy as np
import pytest

from edge_runtime.serving.http.errors import RequestError
from edge_runtime.serving.protocols.tf_serving import parse_predict
from tests.edge_runtime.serving.conftest import ask
from tools.studies.serving.load import Running
from train.data import Dataset

BLANK = np.zeros((28, 28), int).tolist()


def test_row_format(server: Running, mnist: Dataset) -> None:
    """{"instances": [...]} gives {"predictions": [...]}, a list of probabilities per image."""
    answer = ask(server, "POST", "/v1/models/small:predict", {"instances": mnist.x_test[:3].tolist()})
    assert (answer.status, list(answer.json)) == (200, ["predictions"])
    scores = np.array(answer.json["predictions"])
    assert scores.argmax(axis=1).tolist() == [7, 2, 1]
    assert scores.sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-6)


def test_column_format_and_names(server: Running, mnist: Dataset) -> None:
    """{"inputs": ...} gives {"outputs": ...}; the input and signature may be named; pixels may have a channel."""
    images = mnist.x_test[:2]
    for request in (
        {"inputs": images.tolist()},
        {"inputs": {"pixels": images.tolist()}},
        {"signature_name": "serving_default", "inputs": images[..., np.newaxis].tolist()},
        {"inputs": images.astype(float).tolist()},
    ):
        answer = ask(server, "POST", "/v1/models/small/versions/1:predict", request)
        assert np.argmax(answer.json["outputs"], axis=1).tolist() == [7, 2]
    answer = ask(server, "POST", "/v1/models/small:predict", {"instances": [{"pixels": images[0].tolist()}]})
    assert np.argmax(answer.json["predictions"][0]) == 7


def test_curls_content_type_is_taken(server: Running) -> None:
    """`curl -d` sends the content type of a form."""
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert ask(server, "POST", "/v1/models/small:predict", {"instances": [BLANK]}, **form).status == 200


def test_status_and_metadata(server: Running) -> None:
    """The format of the documentation."""
    status = ask(server, "GET", "/v1/models/small").json
    assert status["model_version_status"] == [
        {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
    metadata = ask(server, "GET", "/v1/models/small/metadata").json
    assert metadata["model_spec"]["name"] == "small"
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["pixels"]["dtype"] == "DT_UINT8"
    assert [size["size"] for size in signature["outputs"]["scores"]["tensor_shape"]["dim"]] == ["-1", "10"]


@pytest.mark.parametrize(
    "path", ["/v1/models/tiny", "/v1/models/tiny:predict", "/v1/models/small/versions/2", "/v1/models/tiny/metadata"]
)
def test_an_unknown_model_or_version_is_404(path: str, server: Running) -> None:
    """The error format of the API."""
    answer = ask(server, "POST" if path.endswith("predict") else "GET", path, {"instances": [BLANK]})
    assert answer.status == 404
    assert answer.error.startswith("Servable not found for request: ")


@pytest.mark.parametrize(
    ("request_", "cause"),
    [
        ({}, "either 'instances'"),
        ({"instances": [BLANK], "inputs": [BLANK]}, "either 'instances'"),
        ({"instances": []}, "1 to 8 images, got 0"),
        ({"instances": [BLANK] * 9}, "1 to 8 images, got 9"),
        ({"instances": 5}, "'instances' is an integer"),
        ({"inputs": "x"}, "'inputs' is a string"),
        ({"inputs": {"x": [BLANK]}}, "one input, 'pixels'; got 'x'"),
        ({"inputs": {}}, "got none"),
        ({"instances": [{"b64": "aGVsbG8="}]}, "/classify"),
        ({"instances": [1.0, 2.0, 5.0]}, "array with 1 dimensions"),
        ({"instances": [[0] * 784]}, "array with 2 dimensions"),
        ({"instances": [BLANK[:27]]}, "not nested"),
        ({"instances": [[[0.5] * 28] * 28]}, "divided by 255"),
        ({"instances": [[[300] * 28] * 28]}, "outside"),
        ({"instances": [[["a"] * 28] * 28]}, "an element is not a number"),
        ({"instances": [[[[[0]]]]]}, "not nested"),
        ({"instances": [BLANK], "signature_name": "other"}, "Serving signature name: 'other' not found"),
        ({"instances": [BLANK], "signature_name": 5}, "Serving signature name: '5' not found"),
    ],
)
def test_what_the_model_does_not_take_is_refused(request_: dict[str, object], cause: str) -> None:
    """The error states what is wrong."""
    with pytest.raises(RequestError, match=cause):
        parse_predict(json.dumps(request_).encode(), 8)
