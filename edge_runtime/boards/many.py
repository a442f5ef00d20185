"""The same work on many boards, some at a time; what fails on one board is a finding for that board alone."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Generic, TypeVar

from edge_runtime.boards.hosts import Board
from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import BoardError, DigitsError

T = TypeVar("T")


@frozen_dataclass
class Outcome(Generic[T]):
    """What came of the work on a board: a value, or an error with its cause in one word."""

    board: Board
    value: T | None
    cause: str = ""
    error: str = ""


def on_each(boards: Sequence[Board], work: Callable[[Board], T], jobs: int) -> Iterator[Outcome[T]]:
    """Work on `jobs` boards at a time; yields the outcomes as they come. An interruption ends what waits."""
    with ThreadPoolExecutor(jobs, thread_name_prefix="board") as pool:
        futures: dict[Future[T], Board] = {pool.submit(work, board): board for board in boards}
        try:
            for future in as_completed(futures):
                yield _outcome(futures[future], future)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _outcome(board: Board, future: "Future[T]") -> Outcome[T]:
    try:
        return Outcome(board, future.result())
    except BoardError as error:
        return Outcome(board, None, error.cause, _without_host(board, error))
    except (DigitsError, OSError) as error:
        return Outcome(board, None, "error", " ".join(str(error).split()))


def _without_host(board: Board, error: BoardError) -> str:
    return " ".join(str(error).removeprefix(f"{board.host}: ").split())
