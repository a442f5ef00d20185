"""The Open Inference Protocol (KServe V2) over REST, with Triton's repository index.

Sources: the protocol's REST specification, and the extensions "Model Repository", "Model Configuration" and "Statistics" of Triton's
documentation. Clients such as `tritonclient.http` and perf_analyzer work unchanged.
"""

import dataclasses
import time
from collections import defaultdict

from edge_runtime.common.pixels import SIDE
from edge_runtime.model.recipe_names import short_recipe
from edge_runtime.serving.http.errors import ModelControlDisabled, ModelUnavailable, ServiceUnavailable
from edge_runtime.serving.http.json_body import parse_object
from edge_runtime.serving.http.messages import Request, Response, as_json
from edge_runtime.serving.models.pool import WorkerThreads
from edge_runtime.serving.models.repository import ModelRepository, ServedModel
from edge_runtime.serving.protocols.statistics import Statistics
from edge_runtime.serving.protocols.tensors import INPUT, OUTPUTS, format_infer, parse_infer
from edge_runtime.version import __version__

HEADER_LENGTH = "Inference-Header-Content-Length"
_HEADER_LENGTH = HEADER_LENGTH.lower().encode()
PLATFORM = "tensorflow_tflite"
EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics")


class V2:
    """The routes under /v2."""

    def __init__(self, models: ModelRepository, workers: WorkerThreads, max_images: int) -> None:
        self._models = models
        self._workers = workers
        self._max_images = max_images
        self._statistics: defaultdict[str, Statistics] = defaultdict(Statistics)

    async def infer(self, request: Request) -> Response:
        """POST /v2/models/NAME/infer."""
        served = self._models.get(request.parameters)
        body = await request.body()
        begin = time.perf_counter_ns()
        try:
            return await self._infer(served, body, request.headers.get(_HEADER_LENGTH), begin)
        except Exception:
            self._statistics[served.name].failed(time.perf_counter_ns() - begin)
            raise

    async def _infer(self, served: ServedModel, body: bytes, header_length: bytes | None, begin: int) -> Response:
        parsed = await self._workers.parse(parse_infer, body, header_length, served.name, self._max_images)
        parsed_at = time.perf_counter_ns()
        found, inference = await served.classify(parsed.images)
        classified_at = time.perf_counter_ns()
        answer, json_length = format_infer(parsed, served.name, found)
        times = parsed_at - begin, classified_at - parsed_at, inference, time.perf_counter_ns() - classified_at
        self._statistics[served.name].succeeded(len(parsed.images), *times)
        if json_length is None:
            return Response(answer)
        return Response(answer, media_type="application/octet-stream", headers=((HEADER_LENGTH, str(json_length)),))

    async def server(self, request: Request) -> Response:
        """GET /v2: name, version and extensions of the server."""
        return as_json({"name": "edge-digits", "version": __version__, "extensions": EXTENSIONS})

    async def live(self, request: Request) -> Response:
        """GET /v2/health/live: the server process responds."""
        return as_json({"live": True})

    async def ready(self, request: Request) -> Response:
        """GET /v2/health/ready: all models are loaded and passed their last check, and the server is not stopping."""
        return as_json({"ready": self._models.ready}, 200 if self._models.ready else ServiceUnavailable.status)

    async def model_ready(self, request: Request) -> Response:
        """GET /v2/models/NAME/ready: the model passed its last check."""
        name = self._models.name_of(request.parameters)
        ready = not self._models.states()[name]
        return as_json({"name": name, "ready": ready}, 200 if ready else ModelUnavailable.status)

    async def model(self, request: Request) -> Response:
        """GET /v2/models/NAME: the tensors, and a summary of the manifest in `parameters`."""
        served = self._models.get(request.parameters)
        classes = len(served.model.labels)
        outputs = [
            {"name": name, "datatype": datatype, "shape": [-1] if datatype == "BYTES" else [-1, classes]}
            for name, (datatype, _) in OUTPUTS.items()
        ]
        return as_json(
            {
                "name": served.name,
                "versions": ["1"],
                "platform": PLATFORM,
                "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, SIDE, SIDE]}],
                "outputs": outputs,
                "parameters": _manifest_summary(served),
            }
        )

    async def config(self, request: Request) -> Response:
        """GET /v2/models/NAME/config: the tensors as Triton's model configuration, whose dimensions are those of one image."""
        served = self._models.get(request.parameters)
        outputs = [
            {"name": name, "data_type": "TYPE_STRING", "dims": [1], "reshape": {"shape": []}}
            if datatype == "BYTES"
            else {"name": name, "data_type": f"TYPE_{datatype}", "dims": [len(served.model.labels)]}
            for name, (datatype, _) in OUTPUTS.items()
        ]
        return as_json(
            {
                "name": served.name,
                "platform": PLATFORM,
                "backend": "",
                "version_policy": {"latest": {"num_versions": 1}},
                "max_batch_size": self._max_images,
                "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "dims": [SIDE, SIDE]}],
                "output": outputs,
            }
        )

    async def statistics(self, request: Request) -> Response:
        """GET /v2/models/NAME/stats: counts and times of infer requests; of all models at /v2/models/stats."""
        names = [self._models.name_of(request.parameters)] if request.parameters else list(self._models.states())
        return as_json({"model_stats": [self._statistics[name].as_json(name) for name in names]})

    async def index(self, request: Request) -> Response:
        """POST /v2/repository/index: all models; with {"ready": true} only those that are ready."""
        body = await request.body()
        only_ready = parse_object(body).get("ready") is True if body else False
        states = self._models.states().items()
        return as_json([_index_entry(name, reason) for name, reason in states if not (reason and only_ready)])

    async def load(self, request: Request) -> Response:
        """POST /v2/repository/models/NAME/load or unload: refused, as by Triton in polling mode."""
        raise ModelControlDisabled("models cannot be loaded or unloaded by request; changed model files are reloaded automatically")


def _index_entry(name: str, reason: str) -> dict[str, str]:
    return {"name": name, "version": "1", "state": "UNAVAILABLE" if reason else "READY", "reason": reason}


def _manifest_summary(served: ServedModel) -> dict[str, object]:
    manifest = served.manifest
    accuracy = {comparison.split: dataclasses.asdict(comparison.candidate) for comparison in manifest.accuracy}
    return {
        "labels": served.model.labels,
        "recipe": manifest.recipe,
        "short_recipe": short_recipe(manifest.recipe),
        "sha256": served.manifest.flatbuffer.sha256,
        "file_bytes": served.model.file_bytes,
        "accuracy": accuracy,
    }
