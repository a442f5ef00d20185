"""Counts and times of infer requests, as the "Statistics" extension of Triton's documentation defines them."""

import time
from dataclasses import dataclass, field


@dataclass
class Duration:
    """How often something was done, and how many nanoseconds it took in all."""

    count: int = 0
    ns: int = 0

    def add(self, nanoseconds: int) -> None:
        """Count it once more."""
        self.count += 1
        self.ns += nanoseconds


@dataclass
class Statistics:
    """Of one model since the server's start, for the event loop's thread.

    Attributes:
        inferences: images that were classified.
        executions: runs of the model: one for each request.
        last_ms: when the last request came, in milliseconds since 1970.
        success, fail: whole requests, from the end of the body.
        queue: waiting for a thread.
        compute_input, compute_infer, compute_output: parsing, inference, formatting.
        cache_hit, cache_miss: always zero, for there is no cache; perf_analyzer does not do without them.
    """

    inferences: int = 0
    executions: int = 0
    last_ms: int = 0
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)
    cache_hit: Duration = field(default_factory=Duration)
    cache_miss: Duration = field(default_factory=Duration)

    def succeeded(self, images: int, parsing: int, classifying: int, inference: int, formatting: int) -> None:
        """Count an answered request: its images, and nanoseconds; `classifying` contains `inference`, and the wait for a thread."""
        self._came()
        self.inferences += images
        self.executions += 1
        self.success.add(parsing + classifying + formatting)
        self.queue.add(classifying - inference)
        self.compute_input.add(parsing)
        self.compute_infer.add(inference)
        self.compute_output.add(formatting)

    def failed(self, nanoseconds: int) -> None:
        """Count a request that got an error."""
        self._came()
        self.fail.add(nanoseconds)

    def as_json(self, name: str) -> dict[str, object]:
        """The object of a model in the extension's response."""
        return {
            "name": name,
            "version": "1",
            "last_inference": self.last_ms,
            "inference_count": self.inferences,
            "execution_count": self.executions,
            "inference_stats": {key: vars(value) for key, value in vars(self).items() if isinstance(value, Duration)},
            "batch_stats": [],
        }

    def _came(self) -> None:
        self.last_ms = time.time_ns() // 1_000_000
