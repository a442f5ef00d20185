"""Metrics for Prometheus at /metrics. The only module of this package that imports prometheus_client, and only to write the text.

Requests are counted in plain numbers, since prometheus_client's own counters take 10 us a request instead of 1, as long as a small model's
inference, and 0.3 s to load (measured with 0.26 on x86-64).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from itertools import accumulate
from typing import TYPE_CHECKING

from edge_runtime.serving.http.admission import AdmissionControl
from edge_runtime.serving.http.messages import Request, Response
from edge_runtime.serving.models.pool import WorkerThreads
from edge_runtime.serving.models.repository import ModelRepository

if TYPE_CHECKING:
    from prometheus_client.metrics_core import HistogramMetricFamily, Metric

_REQUEST_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MODEL_SECONDS = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)


@dataclass
class _Histogram:
    """A histogram of durations in seconds."""

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def add_to(self, family: "HistogramMetricFamily", label: str) -> None:
        """Add the histogram to a family, with cumulative buckets."""
        bounds = (*map(str, self.bounds), "+Inf")
        family.add_metric((label,), buckets=list(zip(bounds, accumulate(self.counts), strict=True)), sum_value=self.total)


class Metrics:
    """Counts of this server, for the event loop's thread."""

    def __init__(self) -> None:
        if find_spec("prometheus_client") is None:  # an error at the start, not at the first scrape
            raise ModuleNotFoundError("No module named 'prometheus_client'", name="prometheus_client")
        self._requests: Counter[tuple[str, int]] = Counter()
        self._cuts: Counter[str] = Counter()
        self._seconds: dict[str, _Histogram] = {}
        self._model_seconds: dict[str, _Histogram] = {}
        self._state: Callable[[], Iterator[Metric]] = lambda: iter(())

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests[route, status] += 1
        if route not in self._seconds:
            self._seconds[route] = _Histogram(_REQUEST_SECONDS)
        self._seconds[route].observe(seconds)

    def cut(self, reason: str) -> None:
        """Count a connection that was closed outside of any request: "connections" (too many), "slow" or "invalid"."""
        self._cuts[reason] += 1

    def observer(self, model: str) -> Callable[[float], None]:
        """A function to call with the seconds of each inference of a model."""
        return self._model_seconds.setdefault(model, _Histogram(_MODEL_SECONDS)).observe

    def watch(self, models: ModelRepository, workers: WorkerThreads, admission: AdmissionControl) -> None:
        """Report the state of models, threads and requests in flight too."""
        self._state = partial(_state, models, workers, admission)

    async def page(self, request: Request) -> Response:
        """GET /metrics, in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    def collect(self) -> "Iterator[Metric]":
        """All metrics as prometheus_client's objects."""
        from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily("digits_requests", "Requests answered.", labels=("route", "status"))
        for (route, status), count in self._requests.items():
            requests.add_metric((route, str(status)), count)
        cuts = CounterMetricFamily("digits_connections_cut", "Connections closed outside of any request.", labels=("reason",))
        for reason, count in self._cuts.items():
            cuts.add_metric((reason,), count)
        description = "From a request's header to the end of its response."
        seconds = HistogramMetricFamily("digits_request_seconds", description, labels=("route",))
        model_seconds = HistogramMetricFamily(
            "digits_model_seconds", "Inference time for all images of a request.", labels=("model",)
        )
        for family, seen in ((seconds, self._seconds), (model_seconds, self._model_seconds)):
            for label, durations in seen.items():
                durations.add_to(family, label)
        yield from (requests, cuts, seconds, model_seconds)
        yield from self._state()


def _state(models: ModelRepository, workers: WorkerThreads, admission: AdmissionControl) -> "Iterator[Metric]":
    """Gauges, read when they are asked for."""
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    yield GaugeMetricFamily("digits_requests_in_flight", "Requests being answered now.", value=admission.in_flight)
    yield GaugeMetricFamily("digits_worker_queue", "Calls that wait for a worker thread or run on one.", value=workers.pending)
    yield GaugeMetricFamily("digits_ready", "1 if the server is ready for requests.", value=float(models.ready))
    info = GaugeMetricFamily("digits_model_info", "Model files being served; always 1.", labels=("model", "sha256", "recipe"))
    healthy = GaugeMetricFamily(
        "digits_model_healthy", "1 if the model is loaded and reproduced its golden outputs.", labels=("model",)
    )
    loaded = GaugeMetricFamily("digits_model_loaded_timestamp_seconds", "When the file was loaded.", labels=("model",))
    for served in models:
        info.add_metric((served.name, served.manifest.flatbuffer.sha256, served.manifest.recipe), 1)
        loaded.add_metric((served.name,), served.loaded_at)
    for name, reason in models.states().items():
        healthy.add_metric((name,), float(not reason))
    reloads = CounterMetricFamily(
        "digits_model_reloads", "Changed model files that were loaded or refused.", labels=("model", "result")
    )
    for key, count in models.reloads.items():
        reloads.add_metric(key, count)
    yield from (info, healthy, loaded, reloads)
