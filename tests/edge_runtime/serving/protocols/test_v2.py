"""The Open Inference Protocol through tritonclient, including errors."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import read_model_file
from edge_runtime.version import __version__
from tests.edge_runtime.serving.conftest import ask
from tests.edge_runtime.serving.model_files import with_wrong_golden
from tools.studies.serving.load import Running, served
from train.data import Dataset


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[triton.InferenceServerClient]:
    """tritonclient, unmodified."""
    with triton.InferenceServerClient(f"{server.host}:{server.port}") as client:
        yield client


BLANK = np.zeros((1, 28, 28), np.uint8)


def _input(images: np.ndarray, *, binary: bool = True, name: str = "pixels", datatype: str = "UINT8") -> triton.InferInput:
    tensor = triton.InferInput(name, list(images.shape), datatype)
    tensor.set_data_from_numpy(images, binary_data=binary)
    return tensor


def test_health_is_told_in_json(server: Running) -> None:
    """As the protocol defines, and KServe's client reads it."""
    assert ask(server, "GET", "/v2/health/live").json == {"live": True}
    assert ask(server, "GET", "/v2/health/ready").json == {"ready": True}
    assert ask(server, "GET", "/v2/models/nano/ready").json == {"name": "nano", "ready": True}


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    """Live, ready, both models ready; the tensors of the documentation; the manifest in `parameters`."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("small")
    assert client.is_model_ready("small", "1")
    assert not client.is_model_ready("large")
    server = client.get_server_metadata()
    assert (server["name"], server["version"]) == ("edge-digits", __version__)
    assert server["extensions"] == [
        "binary_tensor_data",
        "classification",
        "model_configuration",
        "model_repository",
        "statistics",
    ]
    model = client.get_model_metadata("nano")
    assert (model["name"], model["versions"], model["platform"]) == ("nano", ["1"], "tensorflow_tflite")
    assert model["inputs"] == [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 28, 28]}]
    assert [(output["name"], output["datatype"], output["shape"]) for output in model["outputs"]] == [
        ("scores", "FP32", [-1, 10]),
        ("label", "BYTES", [-1]),
        ("logits", "FP32", [-1, 10]),
    ]
    facts = model["parameters"]
    checked = read_model_file()
    assert client.get_model_metadata("small")["parameters"]["sha256"] == checked.sha256
    assert (facts["labels"], facts["recipe"], facts["short_recipe"]) == (list("0123456789"), "static_wi8_ai8", "int8")


def test_the_repository_index_lists_the_models(client: triton.InferenceServerClient) -> None:
    """In the given order, the default model first."""
    index = client.get_model_repository_index()
    assert [(entry["name"], entry["version"], entry["state"]) for entry in index] == [
        ("small", "1", "READY"),
        ("nano", "1", "READY"),
    ]
    with pytest.raises(InferenceServerException, match="changed model files are reloaded automatically"):
        client.load_model("small")
    with pytest.raises(InferenceServerException, match="cannot be loaded or unloaded by request"):
        client.unload_model("small")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("count", [1, 200])
def test_infer(count: int, binary_out: bool, binary_in: bool, client: triton.InferenceServerClient, mnist: Dataset) -> None:
    """JSON and binary, input and output, one image and many: the numbers equal those of the classifier."""
    images = mnist.x_test[:count]
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("logits", "label", "scores")]
    result = client.infer("small", [_input(images, binary=binary_in)], outputs=outputs, request_id="mine")
    expected = Classifier.load().classify_batch(images)
    assert result.get_response()["id"] == "mine"
    assert np.array_equal(result.as_numpy("logits"), expected.logits)
    assert np.array_equal(result.as_numpy("scores"), expected.scores.astype(np.float32))
    labels = [label.decode() if isinstance(label, bytes) else label for label in result.as_numpy("label")]
    assert labels == expected.labels


def test_all_outputs_come_if_none_is_named(client: triton.InferenceServerClient, mnist: Dataset) -> None:
    """As the protocol defines."""
    result = client.infer("nano", [_input(mnist.x_test[:1])])
    assert result.as_numpy("label").tolist() == [b"7"]
    assert result.as_numpy("scores").shape == result.as_numpy("logits").shape == (1, 10)


def test_the_best_classes(client: triton.InferenceServerClient, mnist: Dataset) -> None:
    """Triton's classification extension."""
    wanted = triton.InferRequestedOutput("scores", class_count=2)
    best, second = client.infer("small", [_input(mnist.x_test[:1])], outputs=[wanted]).as_numpy("scores")[0]
    value, index, label = best.decode().split(":")
    assert (index, label) == ("7", "7")
    assert float(value) > float(second.decode().split(":")[0])


@pytest.mark.parametrize(
    ("model", "tensor", "status", "cause"),
    [
        ("large", _input(BLANK), "404", "Request for unknown model: 'large' is not found; the models are small, nano"),
        ("small", _input(BLANK[:, 1:]), "400", r"unexpected shape for input 'pixels' for model 'small'. Expected \[-1,28,28\]"),
        ("small", _input(BLANK.astype(np.float32), datatype="FP32"), "400", "'FP32', but model 'small' expects 'UINT8'"),
        ("small", _input(BLANK, name="image"), "400", "unexpected inference input 'image' for model 'small'"),
    ],
)
def test_errors_are_those_of_the_protocol(
    model: str, tensor: triton.InferInput, status: str, cause: str, client: triton.InferenceServerClient
) -> None:
    """Wrong name, shape, datatype and input: 4xx and {"error": message}, which the client shows."""
    with pytest.raises(InferenceServerException, match=cause) as error:
        client.infer(model, [tensor])
    assert status in error.value.status()
    with pytest.raises(InferenceServerException, match="unexpected inference output 'x'"):
        client.infer("small", [_input(BLANK)], outputs=[triton.InferRequestedOutput("x")])


def test_another_version_is_not_found(client: triton.InferenceServerClient, server: Running) -> None:
    """The only version is 1."""
    assert client.infer("small", [_input(BLANK)], model_version="1").get_response()["model_version"] == "1"
    with pytest.raises(InferenceServerException, match="version 2 is not found"):
        client.infer("small", [_input(BLANK)], model_version="2")
    assert "version 7" in ask(server, "GET", "/v2/models/small/versions/7").error


def test_compressed_bodies_are_refused(client: triton.InferenceServerClient) -> None:
    """A few bytes could decompress to gigabytes."""
    with pytest.raises(InferenceServerException, match="compressed"):
        client.infer("small", [_input(BLANK)], request_compression_algorithm="gzip")


def test_a_model_that_cannot_be_served_is_told_by_all_protocols(tmp_path: Path) -> None:
    """503 without its path, and without a time to try again; the others answer."""
    path = tmp_path / "secret" / "bad.tflite"
    path.parent.mkdir()
    path.write_bytes(with_wrong_golden())
    with served("nano", path, "--no-access-log") as server:
        index = ask(server, "POST", "/v2/repository/index").json
        assert [(entry["name"], entry["state"]) for entry in index] == [("nano", "READY"), ("bad", "UNAVAILABLE")]
        assert ask(server, "POST", "/v2/repository/index", {"ready": True}).json == index[:1]
        assert ask(server, "GET", "/v2/models/nano/ready").status == 200
        assert ask(server, "GET", "/v2/models/bad/ready").json == {"name": "bad", "ready": False}
        assert ask(server, "GET", "/v2/health/ready").status == 503
        (state,) = ask(server, "GET", "/v1/models/bad").json["model_version_status"]
        assert (state["state"], state["status"]["error_code"]) == ("END", "UNAVAILABLE")
        for method, where in (("GET", "/v2/models/bad"), ("POST", "/v1/models/bad:predict"), ("POST", "/classify?model=bad")):
            answer = ask(server, method, where, b"{}")
            assert (answer.status, "retry-after" in answer.headers, "secret" in answer.error) == (503, False, False)
        assert b'digits_model_healthy{model="bad"} 0.0' in ask(server, "GET", "/metrics").body


def test_the_configuration_is_that_of_the_tensors(client: triton.InferenceServerClient, server: Running) -> None:
    """What perf_analyzer makes its requests from: shapes without the batch, which it puts before them."""
    config = client.get_model_config("nano", "1")
    metadata = client.get_model_metadata("nano")
    assert (config["name"], config["platform"], config["max_batch_size"]) == ("nano", metadata["platform"], 1024)
    for side in ("input", "output"):
        for told, known in zip(config[side], metadata[f"{side}s"], strict=True):
            kind = {"BYTES": "STRING"}.get(known["datatype"], known["datatype"])
            shape = told.get("reshape", {"shape": told["dims"]})["shape"]
            assert (told["name"], told["data_type"], [-1, *shape]) == (known["name"], f"TYPE_{kind}", known["shape"])
    assert ask(server, "GET", "/v2/models/none/config").status == 404


def test_statistics_count_requests_and_images() -> None:
    """Of one model or all, by Triton's names; what fails is apart."""
    with (
        served("nano", "small", "--no-access-log") as server,
        triton.InferenceServerClient(f"{server.host}:{server.port}") as client,
    ):
        for count in (1, 300):
            client.infer("nano", [_input(np.repeat(BLANK, count, axis=0))])
        with pytest.raises(InferenceServerException):
            client.infer("nano", [_input(BLANK[:, 1:])])
        (found,) = client.get_inference_statistics("nano", "1")["model_stats"]
        assert (found["name"], found["version"], found["inference_count"], found["execution_count"]) == ("nano", "1", 301, 2)
        assert found["last_inference"] > 0
        times = found["inference_stats"]
        assert {key: value["count"] for key, value in times.items()} == {
            "success": 2,
            "fail": 1,
            "queue": 2,
            "compute_input": 2,
            "compute_infer": 2,
            "compute_output": 2,
            "cache_hit": 0,
            "cache_miss": 0,
        }
        parts = sum(times[key]["ns"] for key in ("queue", "compute_input", "compute_infer", "compute_output"))
        assert times["success"]["ns"] == parts
        assert [model["name"] for model in client.get_inference_statistics()["model_stats"]] == ["nano", "small"]
        assert ask(server, "GET", "/v2/models/none/stats").status == 404
