"""Half a million requests (`make test-soak`): stable memory, no errors, correct labels."""

import pytest

from tools.studies.serving.soak import REQUESTS, soak
from train.data import Dataset


def _is_flat(mnist: Dataset, count: int) -> None:
    found = soak(mnist, "here", count)
    assert (found.failed, found.requests) == (0, count)
    assert found.grown < 10 * 2**20


@pytest.mark.slow
def test_some_thousand_requests(mnist: Dataset) -> None:
    """All kinds of requests are answered correctly, and memory grows by less than 10 MB after the warm-up."""
    _is_flat(mnist, 2_000)


@pytest.mark.soak
def test_half_a_million_requests(mnist: Dataset) -> None:
    """The same for a quarter of an hour."""
    _is_flat(mnist, REQUESTS)
