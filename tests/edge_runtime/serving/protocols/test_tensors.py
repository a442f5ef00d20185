"""Tensors of the Open Inference Protocol, without a server."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_runtime.inference.classifier import Classifier
from edge_runtime.serving.http.errors import RequestError
from edge_runtime.serving.protocols.tensors import InferRequest, RequestedOutput, format_infer, parse_infer
from tests.edge_runtime.serving.conftest import binary_body

CLASSIFIER = Classifier.load()
IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(28), st.just(28)))


def _json_body(tensor: dict[str, object], **more: object) -> bytes:
    return json.dumps({"inputs": [tensor], **more}).encode()


def _tensor(images: np.ndarray, **changes: object) -> dict[str, object]:
    return {"name": "pixels", "shape": list(images.shape), "datatype": "UINT8", "data": images.tolist(), **changes}


ONE = np.arange(784, dtype=np.uint16).astype(np.uint8).reshape(1, 28, 28)


@settings(max_examples=30)
@given(IMAGES)
def test_json_flat_json_and_bytes_are_the_same_images(images: np.ndarray) -> None:
    """Nested like the shape, flat in row-major order, and as bytes after the JSON."""
    binary, length = binary_body(images)
    nested = parse_infer(_json_body(_tensor(images)), None, "small", 8)
    flat = parse_infer(_json_body(_tensor(images, data=images.ravel().tolist())), None, "small", 8)
    raw = parse_infer(binary, length.encode(), "small", 8)
    alone = parse_infer(images.tobytes(), b"0", "small", 8)
    for request in (nested, flat, raw, alone):
        assert request.images.dtype == np.uint8
        assert np.array_equal(request.images, images)


def test_whole_numbers_may_be_written_with_a_point() -> None:
    """3.0 is 3, as some languages write floats in JSON."""
    request = parse_infer(_json_body(_tensor(ONE, data=[float(pixel) for pixel in ONE.ravel()])), None, "small", 8)
    assert np.array_equal(request.images, ONE)


def test_null_parameters_are_none() -> None:
    """Of the request, an input and an output, as clients send what they do not use."""
    wanted = [{"name": "label", "parameters": None}]
    request = parse_infer(_json_body(_tensor(ONE, parameters=None), parameters=None, outputs=wanted), None, "small", 8)
    assert request == InferRequest(request.images, None, (RequestedOutput("label"),))
    assert np.array_equal(request.images, ONE)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"name": "x"}, "unexpected inference input 'x' for model 'small'"),
        ({"name": None}, "unexpected inference input null"),
        ({"datatype": "FP32"}, "data-type is 'FP32', but model 'small' expects 'UINT8'"),
        ({"shape": [1, 27, 28]}, r"unexpected shape for input 'pixels' for model 'small'. Expected \[-1,28,28\], got \[1,27,28\]"),
        ({"shape": [28, 28]}, r"got \[28,28\]"),
        ({"shape": [1, 28, 28, 1]}, r"got \[1,28,28,1\]"),
        ({"shape": [True, 28, 28]}, "unexpected shape"),
        ({"shape": [1.0, 28, 28]}, "unexpected shape"),
        ({"shape": "1,28,28"}, "'shape' is a string, expected an array"),
        ({"shape": [0, 28, 28], "data": []}, "1 to 8 images, got 0"),
        ({"shape": [-1, 28, 28]}, "1 to 8 images, got -1"),
        ({"shape": [9, 28, 28]}, "1 to 8 images, got 9"),
        ({"shape": [10**30, 28, 28]}, "1 to 8 images"),
        ({"shape": [2, 28, 28]}, "not nested like shape"),
        ({"data": [0] * 783}, "got 783 numbers, expected 784"),
        ({"data": None}, "'data' is null, expected an array"),
        ({"data": [[0] * 784]}, "not nested"),
        ({"data": [256] + [0] * 783}, "outside"),
        ({"data": [-1] + [0] * 783}, "outside"),
        ({"data": [10**400] + [0] * 783}, "outside"),
        ({"data": [True] + [0] * 783}, "an element is not a number"),
        ({"data": ["1"] + [0] * 783}, "an element is not a number"),
        ({"data": [[]] + [0] * 783}, "not nested|an element is not a number"),
        ({"data": [0] + [[]] + [0] * 782}, "an element is not a number"),
        ({"data": [0.5] + [0] * 783}, "divided by 255"),
        ({"data": [1.5] + [0] * 783}, "has a fraction$"),
        ({"parameters": {"shared_memory_region": "r"}}, "shared memory"),
        ({"parameters": []}, "'parameters' is an array"),
        ({"parameters": {"binary_data_size": 784}}, "both"),
    ],
)
def test_a_tensor_that_the_model_does_not_take_is_refused(changes: dict[str, object], cause: str) -> None:
    """Status 400 with the message of the protocol's servers."""
    with pytest.raises(RequestError, match=cause) as refused:
        parse_infer(_json_body(_tensor(ONE, **changes)), None, "small", 8)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "parse"),
        (b"\xff", "parse"),
        (b"[]", "the request is an array, expected an object"),
        (b"{}", "'inputs' is null"),
        (b'{"inputs": []}', "expected 1 input but got 0"),
        (b'{"inputs": [1]}', "an input is an integer"),
        (b'{"inputs": [{}, {}]}', "got 2 inputs"),
        (b'{"inputs": [{"shape": NaN}]}', "NaN is not a JSON number"),
        (b'{"inputs": ' + b"[" * 100_000, "parse"),
        (b'{"inputs": [1' + b"0" * 10_000 + b"]}", "parse"),
        (_json_body(_tensor(ONE), outputs=[{"name": "x"}]), "unexpected inference output 'x'"),
        (_json_body(_tensor(ONE), outputs=[{"name": []}]), r"unexpected inference output \[\]"),
        (_json_body(_tensor(ONE), outputs={"name": "scores"}), "'outputs' is an object"),
        (_json_body(_tensor(ONE), outputs=[{"name": "label"}] * 2), "twice"),
        (_json_body(_tensor(ONE), outputs=[{"name": "label", "parameters": {"classification": 2}}]), "for scores or logits"),
        (_json_body(_tensor(ONE), outputs=[{"name": "scores", "parameters": {"classification": -2}}]), "is -2"),
        (_json_body(_tensor(ONE), outputs=[{"name": "scores", "parameters": {"classification": True}}]), "is a boolean"),
        (_json_body(_tensor(ONE), outputs=[{"name": "scores", "parameters": {"binary_data": 1}}]), "'binary_data'"),
        (_json_body(_tensor(ONE), parameters={"binary_data_output": 1}), "'binary_data_output'"),
        (_json_body(_tensor(ONE), id=5), "'id' is an integer, expected a string"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, cause: str) -> None:
    """The error states what is wrong."""
    with pytest.raises(RequestError, match=cause):
        parse_infer(body, None, "small", 8)


def test_bytes_and_announcements_must_agree() -> None:
    """Header length, tensor size and actual bytes must agree."""
    body, length = binary_body(ONE)
    for changed, header, cause in (
        (body, b"100000", "expected 0 to"),
        (body, b"-1", "Inference-Header-Content-Length is '-1'"),
        (body, b"1e3", "'1e3'"),
        (body, "１".encode(), "Inference-Header-Content-Length"),
        (body, str(int(length) - 1).encode(), "parse"),
        (body[:-1], length.encode(), "783 bytes follow the JSON, expected 784"),
        (body + b"x", length.encode(), "785 bytes follow"),
        (body.replace(b"784", b"783", 1), length.encode(), "'binary_data_size' is 783, but the shape needs 784"),
        (body.replace(b": 784", b": 0.0", 1), length.encode(), "binary_data_size"),
        (body.replace(b": 784", b":   0", 1)[: int(length)], length.encode(), "0 bytes follow"),
        (ONE.tobytes()[:-1], b"0", "784 bytes per image"),
        (b"", b"0", "784 bytes per image"),
        (ONE.tobytes() * 9, b"0", "1 to 8 images"),
    ):
        with pytest.raises(RequestError, match=cause):
            parse_infer(changed, header, "small", 8)


@settings(max_examples=300)
@given(st.data())
def test_a_mutated_request_is_a_request_or_refused(data: st.DataObject) -> None:
    """Random mutations give a valid request or a RequestError."""
    body, length = binary_body(ONE)
    mutated = bytearray(body)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(mutated), 260)))
        mutated[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    header = data.draw(st.sampled_from([length.encode(), None, b"0"]))
    try:
        images = parse_infer(bytes(mutated), header, "small", 8).images
    except RequestError as error:
        refused = error
    else:
        assert images.shape[1:] == (28, 28)
        return
    assert refused.status == 400
    assert len(str(refused)) < 400


def test_answers_hold_what_was_asked_for() -> None:
    """JSON and binary outputs have the same numbers; strings have their length before them; the id is returned."""
    images = np.stack([ONE[0], ONE[0].T])
    found = CLASSIFIER.classify_batch(images)
    wanted = (RequestedOutput("logits"), RequestedOutput("scores", binary=True), RequestedOutput("label", binary=True))
    body, length = format_infer(InferRequest(images, "mine", wanted), "small", found)
    answer, blob = json.loads(body[:length]), body[length:]
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("small", "1", "mine")
    logits, scores, label = answer["outputs"]
    assert (logits["datatype"], logits["shape"]) == ("FP32", [2, 10])
    assert np.array_equal(np.array(logits["data"], np.float32).reshape(2, 10), found.logits)
    size = scores["parameters"]["binary_data_size"]
    assert np.array_equal(np.frombuffer(blob[:size], "<f4").reshape(2, 10), found.scores.astype(np.float32))
    texts = b"".join(struct.pack("<I", 1) + text.encode() for text in found.labels)
    assert (label["shape"], blob[size:]) == ([2], texts)


def test_an_answer_that_is_kept_is_that_of_its_own_request() -> None:
    """Requests that differ in id, outputs or count never share a cached JSON part."""
    one, two = CLASSIFIER.classify_batch(ONE), CLASSIFIER.classify_batch(np.concatenate([ONE, ONE]))
    wanted = (RequestedOutput("scores", binary=True),)
    for _ in range(2):
        for found, identifier in ((one, "a"), (two, "a"), (one, "b"), (one, None)):
            body, length = format_infer(InferRequest(ONE, identifier, wanted), "small", found)
            answer = json.loads(body[:length])
            assert answer.get("id") == identifier
            assert answer["outputs"][0]["shape"] == [len(found), 10]
            assert len(body) - length == 40 * len(found)


def test_the_classification_extension_gives_the_best_classes() -> None:
    """As "value:index:label", largest first; at most as many as there are classes."""
    found = CLASSIFIER.classify_batch(ONE)
    body, length = format_infer(InferRequest(ONE, None, (RequestedOutput("logits", classes=3),)), "small", found)
    output = json.loads(body)["outputs"][0]
    values, indices, labels = zip(*(text.split(":") for text in output["data"]), strict=True)
    assert (length, output["datatype"], output["shape"]) == (None, "BYTES", [1, 3])
    assert [int(index) for index in indices] == np.argsort(-found.logits[0], kind="stable")[:3].tolist()
    assert [float(value) for value in values] == pytest.approx(np.sort(found.logits[0])[::-1][:3].tolist(), abs=1e-6)
    assert list(labels) == [found.labels_of_classes[int(index)] for index in indices]
    many, _ = format_infer(InferRequest(ONE, None, (RequestedOutput("scores", classes=99),)), "small", found)
    assert json.loads(many)["outputs"][0]["shape"] == [1, 10]
