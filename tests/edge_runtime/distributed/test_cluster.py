"""Functions on many machines: real schedulers, real workers, and their deaths."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from dask.distributed import Client

from edge_runtime.distributed import cluster
from edge_runtime.distributed.cluster import connect, outcomes, outcomes_in_order, share, worker_count
from edge_runtime.errors import BadArgument, DigitsError
from tests.clusters import die, die_once, hold, nap, refuse, running
from tests.commands import digits, one_line
from tools.support.local_cluster import Cluster, local_cluster
from tools.support.waiting import PATIENCE, until
from train.runs.versions import WORKER_REQUIREMENTS, installed_versions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pool() -> Iterator[Client]:
    """This machine's pool, of two workers."""
    with connect(WORKER_REQUIREMENTS, workers=2) as client:
        yield client


def test_a_worker_that_is_killed_costs_its_task_a_retry_and_no_more(tmp_path: Path) -> None:
    """Two real workers, one killed in the middle of a task: everything is done, and what the dead one had was done by the other."""
    with local_cluster(tmp_path, workers=2) as real, connect(WORKER_REQUIREMENTS, real.address) as client:
        found: dict[str, Any] = {}
        calls = {str(number): (number, str(tmp_path / "go on")) for number in range(8)}
        working = Thread(target=lambda: found.update(outcomes(client, hold, calls)), daemon=True)
        working.start()
        until(lambda: len(running(client)) == 2)
        real.workers["worker0"].send_signal(signal.SIGKILL)
        assert real.workers["worker0"].wait(PATIENCE) == -signal.SIGKILL
        (tmp_path / "go on").touch()
        working.join(PATIENCE)
        assert found == {str(number): (number, real.workers["worker1"].pid) for number in range(8)}
        assert worker_count(client) == 1


def test_what_is_shared_outlives_the_workers_that_hold_it(tmp_path: Path) -> None:
    """The only worker dies with it; the next one has it again."""
    with connect(WORKER_REQUIREMENTS, workers=1) as client:
        shared = share(client, b"x" * 1_000_000)
        calls = {str(number): (number, str(tmp_path / "mark"), shared) for number in range(4)}
        assert dict(outcomes(client, die_once, calls)) == {str(number): (number, 1_000_000) for number in range(4)}
    assert (tmp_path / "mark").exists()


def test_a_task_that_kills_every_worker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are done, and its outcome is an error of ours."""
    monkeypatch.setitem(cluster._SETTINGS, "distributed.scheduler.allowed-failures", 1)
    with connect(WORKER_REQUIREMENTS, workers=2) as client:
        found = dict(outcomes(client, die, {str(number): (number, 1) for number in range(8)}))
    assert isinstance(found.pop("1"), DigitsError)
    assert found == {str(number): number for number in (0, 2, 3, 4, 5, 6, 7)}


def test_a_call_that_fails_is_an_outcome_like_others(pool: Client) -> None:
    """The exception of the worker, and the other calls' results."""
    found = dict(outcomes(pool, refuse, {str(number): (number,) for number in range(4)}))
    assert (found["0"], found["2"]) == (0, 2)
    assert all(isinstance(found[name], ValueError) for name in ("1", "3"))
    assert str(found["3"]) == "3 is odd"


def test_calls_begin_in_their_order() -> None:
    """One worker ends them in their order too."""
    with connect(WORKER_REQUIREMENTS, workers=1) as client:
        order = [number for _, (number, _) in outcomes(client, nap, {str(number): (number, 0.0) for number in range(10)})]
    assert order == list(range(10))


def test_no_calls_no_outcomes(pool: Client) -> None:
    """An experiment whose cells are all there."""
    assert list(outcomes(pool, nap, {})) == []


def test_outcomes_that_nobody_waits_for_are_cancelled(pool: Client) -> None:
    """The workers are free for what comes next."""
    first = outcomes(pool, nap, {str(number): (number, 0.2) for number in range(100)})
    next(first)
    first.close()  # type: ignore[attr-defined]
    assert dict(outcomes(pool, refuse, {"2": (2,)})) == {"2": 2}


def test_the_local_pool_has_a_worker_for_each_core() -> None:
    """Not for each core of the machine, if this process may not use all of them; and none is left behind."""
    with connect(WORKER_REQUIREMENTS) as client:
        assert worker_count(client) == len(os.sched_getaffinity(0))
        assert set(client.nthreads().values()) == {1}
        (process, *_) = client.run(os.getpid).values()
    until(lambda: not Path(f"/proc/{process}").exists())


def test_a_scheduler_that_goes_is_told(tmp_path: Path) -> None:
    """One error, not one for each call, and no endless wait."""
    with local_cluster(tmp_path, workers=1) as real, connect(WORKER_REQUIREMENTS, real.address) as client:
        waiting = outcomes(client, nap, {str(number): (number, 0.2) for number in range(1_000)})
        next(waiting)
        real.scheduler.kill()
        with pytest.raises(DigitsError, match="the scheduler has gone"):
            list(waiting)


def test_outcomes_in_order_are_asked_for_a_few_at_a_time(pool: Client) -> None:
    """In order though the first call takes longest; a call that fails is an outcome; no more than three for each of two workers wait."""
    asked: list[int] = []

    def calls() -> Iterator[tuple[int, float]]:
        for number in range(30):
            asked.append(number)
            yield number, 0.3 if number == 0 else 0.01

    for place, (number, _) in enumerate(outcomes_in_order(pool, nap, calls())):
        assert number == place
        assert len(asked) - place <= 6
    assert len(asked) == 30
    found = list(outcomes_in_order(pool, refuse, ((number,) for number in range(4))))
    assert [isinstance(outcome, ValueError) for outcome in found] == [False, True, False, True]


def test_outcomes_in_order_end_when_the_scheduler_or_all_workers_have_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error that says which of the two, and not in an endless wait."""
    with local_cluster(tmp_path, workers=1) as real, connect(WORKER_REQUIREMENTS, real.address) as client:
        monkeypatch.setattr(cluster, "WORKER_SECONDS", 5)
        waiting = outcomes_in_order(client, nap, ((number, 0.2) for number in range(1_000)))
        next(waiting)
        real.workers["worker0"].kill()
        with pytest.raises(DigitsError, match="the scheduler has had no workers for 5 s"):
            list(waiting)
        monkeypatch.setattr(cluster, "WORKER_SECONDS", PATIENCE)
        waiting = outcomes_in_order(client, nap, ((number, 0.2) for number in range(1_000)))
        Thread(target=real.scheduler.kill).start()
        with pytest.raises(DigitsError, match="the scheduler has gone"):
            list(waiting)


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port where nobody listens, nor can while it is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_an_address_where_nobody_listens_is_told_in_one_line(
    free_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_file: Path
) -> None:
    """With the line that starts a scheduler."""
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    address = f"tcp://127.0.0.1:{free_port}"
    answer = digits("experiment", "--scheduler", address, "--experiments", tmp_path, "--data", data_file)
    line = one_line(answer, 1)
    assert f"no dask scheduler answers at {address}" in line
    assert "dask scheduler" in line


@pytest.mark.parametrize("address", ["nonsense://host:1", "tcp://host:port"])
def test_what_is_no_address_is_wrong_usage(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says what one looks like."""
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(BadArgument, match="expected an address such as tcp://host:8786"), connect(WORKER_REQUIREMENTS, address):
        pytest.fail("connected")


def test_a_scheduler_without_workers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that starts one."""
    monkeypatch.setattr(cluster, "WORKER_SECONDS", 1)
    with local_cluster(tmp_path, workers=0) as real, pytest.raises(DigitsError, match=f"no workers.*dask worker {real.address}"):
        _connected(real)


def test_a_worker_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is this side that is of another version."""
    ours = installed_versions()["edge-digits"]
    monkeypatch.setattr("train.runs.versions.__version__", "9.9.9")
    with (
        local_cluster(tmp_path, workers=1) as real,
        pytest.raises(DigitsError, match=rf"worker tcp.* has edge-digits {ours}, expected 9\.9\.9"),
    ):
        _connected(real)


def _connected(real: Cluster) -> None:
    with connect(WORKER_REQUIREMENTS, real.address):
        pytest.fail("connected")
