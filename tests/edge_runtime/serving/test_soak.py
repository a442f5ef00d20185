"""Half a million requests in a row (`make test-soak`): memory stays, nothing fails, every label is right."""

import pytest

from tools.studies.serving.soak import REQUESTS, soak
from train.data import Dataset


def _is_flat(mnist: Dataset, count: int) -> None:
    found = soak(mnist, "here", count)
    assert (found.failed, found.requests) == (0, count)
    assert found.grown < 10 * 2**20


def test_some_thousand_requests(mnist: Dataset) -> None:
    """Of every kind, each answered as it should be; memory after the warm-up and later differ by less than 10 MB."""
    _is_flat(mnist, 2_000)


@pytest.mark.soak
def test_half_a_million_requests(mnist: Dataset) -> None:
    """The same for a quarter of an hour's worth."""
    _is_flat(mnist, REQUESTS)
