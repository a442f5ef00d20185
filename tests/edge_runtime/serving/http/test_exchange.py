"""The body of a request: how fast it has to arrive."""

import asyncio
from collections.abc import Iterator

import pytest

from edge_runtime.serving.http import exchange
from edge_runtime.serving.http.admission import AdmissionControl
from edge_runtime.serving.http.errors import RequestTimeout
from edge_runtime.serving.http.exchange import Exchange
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.messages import Message


def _received(parts: list[tuple[float, int]], monkeypatch: pytest.MonkeyPatch, **limits: float) -> int:
    """The bytes of a body that comes in parts: seconds since the header, and bytes."""
    now = 0.0
    coming: Iterator[tuple[float, int]] = iter(parts)

    class Clock:
        @staticmethod
        def perf_counter() -> float:
            return now

    async def receive() -> Message:
        nonlocal now
        now, count = next(coming)
        return {"type": "http.request", "body": bytes(count), "more_body": now != parts[-1][0]}

    async def run() -> int:
        bounds = Limits(**limits)  # type: ignore[arg-type]
        admission = AdmissionControl(bounds)
        scope = {"path": "/classify", "raw_path": b"/classify", "headers": [(b"host", b"localhost")]}
        one = Exchange(scope, receive, None, bounds, admission)  # type: ignore[arg-type]
        try:
            while (await one.receive())["more_body"]:
                pass
            return one.bytes_in
        finally:
            one.finish()
            assert admission._body_bytes == 0

    monkeypatch.setattr(exchange, "time", Clock)
    return asyncio.run(run())


def test_a_large_photo_over_a_slow_line_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """6 MB at 4 Mbit/s: twelve seconds."""
    assert _received([(second, 500_000) for second in range(1, 13)], monkeypatch) == 6_000_000


def test_a_body_slower_than_the_least_rate_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes at the rate arrives, one that comes at half of it does not; silence after a fast start has an end too."""
    rate = {"body_seconds": 10.0, "body_rate": 1000.0}
    assert _received([(second, 1000) for second in range(1, 100)], monkeypatch, **rate) == 99_000
    for parts in ([(second, 500) for second in range(1, 100)], [(1, 5000), *[(second, 0) for second in range(2, 100)]]):
        with pytest.raises(RequestTimeout, match="send it faster"):
            _received(parts, monkeypatch, **rate)
