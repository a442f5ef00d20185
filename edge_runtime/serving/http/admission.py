"""Admission control: how many requests are answered at once, and how many bytes their bodies may hold together."""

from edge_runtime.serving.http.access import PROBES
from edge_runtime.serving.http.errors import ServiceUnavailable
from edge_runtime.serving.http.limits import Limits

_ALWAYS_ADMITTED = ("/metrics", *PROBES)


class AdmissionControl:
    """Counts requests and the bytes of their bodies, and refuses more than the limits allow.

    A request is admitted once its body is complete, so that a client which announces a body and does not send it blocks nobody.

    Attributes:
        in_flight: requests that have begun and are not answered.
        draining: set when the server stops, so that each response ends its connection.
    """

    def __init__(self, limits: Limits) -> None:
        self.in_flight = 0
        self.draining = False
        self._limits = limits
        self._admitted = 0
        self._body_bytes = 0

    def admit(self, path: str) -> bool:
        """Admit a request; return whether it counts against the limit (probes and metrics do not).

        Raises:
            ServiceUnavailable: as many requests as allowed are being answered.
        """
        if path in _ALWAYS_ADMITTED:
            return False
        if self._admitted >= self._limits.requests:
            raise ServiceUnavailable(f"{self._limits.requests} requests are being answered already; try again later")
        self._admitted += 1
        return True

    def add_bytes(self, count: int) -> None:
        """Count bytes of a body that have arrived.

        Raises:
            ServiceUnavailable: all bodies together exceed the limit.
        """
        self._body_bytes += count
        if self._body_bytes > self._limits.held:
            raise ServiceUnavailable(f"request bodies already hold {self._limits.held:,} bytes; try again later")

    def release(self, admitted: bool, body_bytes: int) -> None:
        """Give back what a request has taken."""
        self._admitted -= admitted
        self._body_bytes -= body_bytes
