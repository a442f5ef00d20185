"""Instructions a picture on emulated boards: `make test-instructions`."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.release.layout import Layout
from tools.studies.device.instructions import Instructions, added, board_counts, measure, read_instructions

from .boards import PI4
from .instructions import Counted, count

pytestmark = pytest.mark.instructions


@pytest.fixture(scope="module")
def counted() -> tuple[Instructions, Counted]:
    """All of it, and a Pi 4 once more."""
    with ThreadPoolExecutor() as pool:
        again = pool.submit(count, PI4)
        return measure(), again.result()


def test_two_runs_count_the_same(counted: tuple[Instructions, Counted]) -> None:
    """To the digit, each step."""
    found, again = counted
    assert board_counts(again) == found.boards[PI4.cpu]


def test_no_step_takes_more_instructions_than_committed(counted: tuple[Instructions, Counted]) -> None:
    """1 % at most; a change that is worth more is committed with what `make instructions` counts."""
    found, _ = counted
    assert added(read_instructions(Layout()), found) == []
