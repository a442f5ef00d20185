"""The routes /classify, /draw and /read: an image file or strokes in, and out what `digits classify` or `digits read` prints as JSON."""

import base64
import time

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import Image
from edge_runtime.errors import DigitsError
from edge_runtime.inference.decision import decide_all, readings_of
from edge_runtime.serving.http.errors import RequestError
from edge_runtime.serving.http.json_body import parse_object
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.messages import Request, Response, as_json
from edge_runtime.serving.models.pool import WorkerThreads
from edge_runtime.serving.models.repository import ModelRepository, ServedModel
from edge_runtime.serving.page.drawing import draw, parse_strokes
from edge_runtime.serving.page.photo import Picture, Reading, drawn, prepare, read_page, steps_of


class ClassifyRoutes:
    """The routes /classify, /draw and /read. Photos are decoded one at a time, since each may need some hundred megabytes."""

    def __init__(self, models: ModelRepository, workers: WorkerThreads, limits: Limits) -> None:
        self._models = models
        self._workers = workers
        self._photos = WorkerThreads(1)
        self._limits = limits

    async def classify(self, request: Request) -> Response:
        """POST /classify?model=NAME: an image file, as the body or as the one file of a form. With steps=1 the answer has pictures."""
        served, with_steps = self._models.get(request.query), _wants_steps(request)
        upload = await request.upload()
        start = time.perf_counter_ns()
        picture = await self._photos.run(prepare, upload.content, self._limits.pixels)
        return await self._respond(served, upload.name, picture, start, with_steps=with_steps)

    async def draw(self, request: Request) -> Response:
        """POST /draw?model=NAME: {"strokes": [[[x, y], ...], ...]}, x to the right and y down, 0 to 1 across the pad."""
        served, with_steps = self._models.get(request.query), _wants_steps(request)
        body = await request.body()
        start = time.perf_counter_ns()
        image = await self._workers.run(_drawing, body)
        return await self._respond(served, "drawing", drawn(image), start, with_steps=with_steps, drawing=True)

    async def read(self, request: Request) -> Response:
        """POST /read?model=NAME: all digits of an image file, as the body or as the one file of a form."""
        served = self._models.get(request.query)
        served.require_health()
        upload = await request.upload()
        reading: Reading = await self._photos.run(
            served.pool.with_interpreter, lambda classifier: read_page(upload.content, classifier, self._limits.pixels)
        )
        return as_json({**reading.fields(upload.name), "model": served.name, "sha256": served.manifest.flatbuffer.sha256})

    def close(self) -> None:
        """End the thread for photos."""
        self._photos.close()

    async def _respond(
        self, served: ServedModel, source: str, picture: Picture, start: int, *, with_steps: bool, drawing: bool = False
    ) -> Response:
        prepared_at = time.perf_counter_ns()
        detector = None if drawing else served.out_of_distribution  # an unfinished drawing is always unlike a digit
        readings = readings_of(picture, served.model.labels, detector)
        results, nanoseconds = await served.classify(np.stack([reading.image for reading in readings]))
        if not np.isfinite(results.confidences).all():
            raise DigitsError(f"model '{served.name}' returned scores that are not finite; verify it with: digits verify")
        (prediction,) = decide_all([source], [readings], results, detector)
        answer = {
            **prediction.fields(),
            "model": served.name,
            "sha256": served.manifest.flatbuffer.sha256,
            "labels": served.model.labels,
            "nanoseconds": {"prepare": prepared_at - start, "model": nanoseconds},
        }
        if with_steps:
            steps = () if drawing else await self._photos.run(steps_of, prediction.picture)
            answer["image"] = _base64(prediction.picture.image)
            answer["steps"] = [_step(name, pixels) for name, pixels in steps]
        return as_json(answer)


def _wants_steps(request: Request) -> bool:
    """Whether the answer shall have the model's input and the steps to it: up to a hundred times as many bytes as the rest."""
    value = request.query.get("steps", "0")
    if value not in ("0", "1"):
        raise RequestError(f"steps is {value[:20]!r}, expected 0 or 1")
    return value == "1"


def _drawing(body: bytes) -> Image:
    """The image, uint8 [28, 28], of a request to /draw."""
    return draw(parse_strokes(parse_object(body).get("strokes")))


def _step(name: str, pixels: NDArray[np.uint8]) -> dict[str, object]:
    height, width = pixels.shape
    return {"name": name, "width": width, "height": height, "pixels": _base64(pixels)}


def _base64(pixels: NDArray[np.uint8]) -> str:
    return base64.b64encode(pixels.tobytes()).decode()
