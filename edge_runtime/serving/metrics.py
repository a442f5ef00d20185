"""Figures for Prometheus at /metrics. The only module of this package that imports prometheus_client."""

from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge_runtime.serving.call import Answer, Call
from edge_runtime.serving.models import Models
from edge_runtime.serving.pool import Workers

_REQUEST_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MODEL_SECONDS = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)


class Metrics:
    """Counters and histograms of this server, in a registry of their own.

    Attributes:
        in_flight: how many requests are being answered.
    """

    def __init__(self) -> None:
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter("digits_requests", "Requests answered.", ("route", "status"), registry=self._registry)
        self._seconds = Histogram(
            "digits_request_seconds",
            "From a request's header to the end of its answer.",
            ("route",),
            buckets=_REQUEST_SECONDS,
            registry=self._registry,
        )
        self._model_seconds = Histogram(
            "digits_model_seconds",
            "Of the interpreter, for all images of a request.",
            ("model",),
            buckets=_MODEL_SECONDS,
            registry=self._registry,
        )
        self._cuts = Counter(
            "digits_connections_cut", "Connections ended for no request of theirs.", ("reason",), registry=self._registry
        )
        self.in_flight = Gauge("digits_requests_in_flight", "Requests being answered now.", registry=self._registry)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Note a request."""
        key = route, status
        if key not in self._children:  # looking them up by label takes longer than counting
            self._children[key] = self._requests.labels(route, str(status)), self._seconds.labels(route)
        count, histogram = self._children[key]
        count.inc()
        histogram.observe(seconds)

    def cut(self, reason: str) -> None:
        """Note a connection that was ended without an answer to a request: "connections" (too many), "slow" or "invalid"."""
        self._cuts.labels(reason).inc()

    def observer(self, model: str) -> Callable[[float], None]:
        """What is told the seconds of each of a model's inferences."""
        return self._model_seconds.labels(model).observe

    def watch(self, models: Models, workers: Workers) -> None:
        """Report the state of models and threads too."""
        self._registry.register(_State(models, workers))

    async def page(self, call: Call) -> Answer:
        """GET /metrics, in Prometheus' text format."""
        return Answer(generate_latest(self._registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _State(Collector):
    """What is looked up when somebody asks."""

    def __init__(self, models: Models, workers: Workers) -> None:
        self._models = models
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "digits_worker_queue", "Calls that wait for a worker thread or run on one.", value=self._workers.pending
        )
        yield GaugeMetricFamily("digits_ready", "1 if requests are welcome.", value=float(self._models.ready))
        info = GaugeMetricFamily(
            "digits_model_info", "The model files that are served; always 1.", labels=("model", "sha256", "recipe")
        )
        healthy = GaugeMetricFamily("digits_model_healthy", "1 if the golden images came out right.", labels=("model",))
        loaded = GaugeMetricFamily("digits_model_loaded_timestamp_seconds", "When the file was loaded.", labels=("model",))
        for served in self._models:
            info.add_metric((served.name, served.manifest.flatbuffer.sha256, served.manifest.recipe), 1)
            healthy.add_metric((served.name,), float(served.healthy))
            loaded.add_metric((served.name,), served.loaded_at)
        reloads = CounterMetricFamily(
            "digits_model_reloads", "Changed files that were loaded or refused.", labels=("model", "result")
        )
        for key, count in self._models.reloads.items():
            reloads.add_metric(key, count)
        yield from (info, healthy, loaded, reloads)
