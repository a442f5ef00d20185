"""Routes without a protocol of others: an image file or a drawing in, the object that `digits classify --json` prints out, and more."""

import base64
import time

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import DigitsError
from edge_runtime.inference.out_of_distribution import out_of_distribution_warnings
from edge_runtime.serving.http.json_body import parse_object
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.messages import Request, Response, as_json
from edge_runtime.serving.models.pool import WorkerThreads
from edge_runtime.serving.models.repository import ModelRepository, ServedModel
from edge_runtime.serving.page.drawing import draw, parse_strokes
from edge_runtime.serving.page.photo import PreparedImage, prepare


class ClassifyRoutes:
    """The routes /classify and /draw. Photos are decoded one after the other: each may need some hundred megabytes."""

    def __init__(self, models: ModelRepository, workers: WorkerThreads, limits: Limits) -> None:
        self._models = models
        self._workers = workers
        self._photos = WorkerThreads(1)
        self._limits = limits

    async def classify(self, request: Request) -> Response:
        """POST /classify?model=NAME: an image file, as the body or as the one file of a form."""
        served = self._models.get(request.query)
        upload = await request.upload()
        before = time.perf_counter_ns()
        seen = await self._photos.run(prepare, upload.content, self._limits.pixels)
        return await self._answer(served, upload.name, seen, before)

    async def draw(self, request: Request) -> Response:
        """POST /draw?model=NAME: {"strokes": [[[x, y], ...], ...]}, x to the right and y down, 0 to 1 over the pad."""
        served = self._models.get(request.query)
        strokes = parse_strokes(parse_object(await request.body()).get("strokes"))
        before = time.perf_counter_ns()
        image = await self._workers.run(draw, strokes)
        return await self._answer(served, "drawing", PreparedImage(image, (), ()), before)

    def close(self) -> None:
        """End the thread for photos."""
        self._photos.close()

    async def _answer(self, served: ServedModel, source: str, seen: PreparedImage, before: int) -> Response:
        prepared = time.perf_counter_ns()
        found, nanoseconds = await served.classify(seen.image[np.newaxis])
        result = found[0]
        if not np.isfinite(result.confidence):
            raise DigitsError(f"model '{served.name}' answers with values that are no numbers")
        likeness = served.likeness if seen.steps else None  # half a drawing is unlike any digit, and no news
        return as_json(
            {
                "source": source,
                "label": result.label,
                "index": result.index,
                "confidence": result.confidence,
                "scores": result.scores.tolist(),
                "warnings": seen.warnings + out_of_distribution_warnings(likeness, seen.image, result),
                "model": served.name,
                "sha256": served.manifest.flatbuffer.sha256,
                "labels": served.model.labels,
                "image": _base64(seen.image),
                "steps": [_step(name, pixels) for name, pixels in seen.steps],
                "nanoseconds": {"prepare": prepared - before, "model": nanoseconds},
            }
        )


def _step(name: str, pixels: NDArray[np.uint8]) -> dict[str, object]:
    height, width = pixels.shape
    return {"name": name, "width": width, "height": height, "pixels": _base64(pixels)}


def _base64(pixels: NDArray[np.uint8]) -> str:
    return base64.b64encode(pixels.tobytes()).decode()
