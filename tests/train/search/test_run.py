"""The loop of a search: proposals to workers (some of them fakes), results to journal and report."""

import itertools
import os
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.distributed.cluster import connect, outcomes_in_turn, share
from edge_runtime.errors import DigitsError
from tests.commands import digits
from tests.train.search.conftest import ELSEWHERE, HERE, outcome
from tests.train.search.work import slow_process
from train.data import Dataset
from train.runs.versions import WORKER_REQUIREMENTS
from train.search import run
from train.search.run import Workers, search
from train.search.settings import Plan
from train.search.trial import ForeignMachine, Tools


def _never(*_arguments: object) -> Any:
    raise AssertionError("was called")


def _at(kind: object) -> Tools:
    return Tools(_never, _never, lambda: kind)


class _Workers:
    """Fake workers, with results from a function of the call's number."""

    def __init__(self, results: Callable[[int], Any], kind: object = HERE) -> None:
        self.results = results
        self.kind = kind
        self.calls = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "connect", self.connect)
        monkeypatch.setattr(run, "share", lambda _client, value: value)
        monkeypatch.setattr(run, "outcomes_in_turn", self.outcomes)

    @contextmanager
    def connect(self, *_arguments: object) -> Iterator["_Workers"]:
        yield self

    def run(self, function: Callable[[], object], on_error: str) -> dict[str, object]:
        return {"worker": function()}

    def outcomes(self, _client: object, _function: object, calls: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
        for name, _arguments in calls:
            self.calls += 1
            yield name, self.results(self.calls)

    def search(self, folder: Path, plan: Plan, data: Dataset, total: int) -> list[str]:
        lines: list[str] = []
        search(folder, plan, data, total, _at(self.kind), Workers(), lines.append)
        return lines


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., _Workers]:
    """Sets the fake workers of the search."""

    def make(*arguments: Any, **named: Any) -> _Workers:
        made = _Workers(*arguments, **named)
        made.install(monkeypatch)
        return made

    return make


def test_a_search_says_a_line_for_each_trial(
    workers: Callable[..., _Workers], tmp_path: Path, plan: Plan, invented: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Number of finished trials, remaining time, and result; the error of a failed one."""
    now = itertools.count(300, 300)  # seconds, as many for each trial
    monkeypatch.setattr(run, "time", types.SimpleNamespace(monotonic=lambda: float(next(now))))
    monkeypatch.setattr(run, "_Progress", partial(run._Progress, started=0.0))
    lines = workers(lambda call: outcome() if call < 3 else DigitsError("too large")).search(tmp_path / "one", plan, invented, 3)
    assert [line.partition("  ")[0] for line in lines] == ["1/3, about 10 min left", "2/3, about 5 min left", "3/3"]
    assert lines[1].endswith("  80.00 %  1,000 B  5.0 us")
    assert lines[2].endswith("  failed: DigitsError: too large")
    assert (tmp_path / "one" / "report.md").exists()


def test_a_foreign_worker_ends_the_search_and_costs_no_trial(
    workers: Callable[..., _Workers], tmp_path: Path, plan: Plan, invented: Dataset
) -> None:
    """Finished trials are in the report; afterwards the refused network is proposed again."""
    folder = tmp_path / "one"
    with pytest.raises(ForeignMachine, match="stop that worker and repeat the command"):
        workers(lambda call: outcome() if call < 3 else ForeignMachine("a worker runs on X")).search(folder, plan, invented, 4)
    assert (folder / "trials.csv").read_text().count("\n") == 3
    assert workers(lambda _: outcome()).search(folder, plan, invented, 4)[-1].startswith("4/4")
    assert "failed" not in (folder / "report.md").read_text()


def test_a_study_does_not_go_on_elsewhere(workers: Callable[..., _Workers], tmp_path: Path, plan: Plan, invented: Dataset) -> None:
    """Workers of another kind than at the start are refused before any trial."""
    folder = tmp_path / "one"
    workers(lambda _: outcome()).search(folder, plan, invented, 2)
    foreign = workers(lambda _: outcome(), kind=ELSEWHERE)
    with pytest.raises(ForeignMachine, match=r"study one was measured on Test CPU .+, the workers here are Another CPU"):
        foreign.search(folder, plan, invented, 4)
    assert foreign.calls == 0


def test_a_search_that_only_fails_stops_early(
    workers: Callable[..., _Workers], tmp_path: Path, plan: Plan, invented: Dataset
) -> None:
    """After three failures without success, the last error is shown and no more trials run."""
    failing = workers(lambda call: OSError(f"no space, call {call}"))
    with pytest.raises(DigitsError, match="the first 3 trials all failed, the last one by: OSError: no space, call 3"):
        failing.search(tmp_path / "one", plan, invented, 40)
    assert failing.calls == 3
    assert "no space, call 2" in (tmp_path / "one" / "trials.csv").read_text()


def test_a_finished_study_starts_no_workers(
    workers: Callable[..., _Workers], tmp_path: Path, plan: Plan, invented: Dataset
) -> None:
    """The report is written again from the journal, with the same bytes."""
    folder = tmp_path / "one"
    workers(lambda call: outcome(call, 1_000 + call)).search(folder, plan, invented, 4)
    before = _written(folder)
    (folder / "report.md").unlink()
    assert workers(_never).search(folder, plan, invented, 4) == []
    assert _written(folder) == before


def _written(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".csv", ".md", ".png", ".toml")}


def test_ctrl_c_keeps_what_has_ended(workers: Callable[..., _Workers], tmp_path: Path, data_file: Path) -> None:
    """Also in the report; a line says how to continue, and the exit code is that of an interrupted command."""

    def result(call: int) -> Any:
        if call == 3:
            raise KeyboardInterrupt
        return outcome()

    workers(result)
    answer = digits("search", "--space", "mlp", "--data", data_file, "--searches", tmp_path, "--trials", 5)
    assert (answer.code, answer.out) == (130, "")
    assert answer.err.endswith("digits: stopped; repeat the command to continue\n")
    assert (tmp_path / "mlp" / "trials.csv").read_text().count("\n") == 3
    assert (tmp_path / "mlp" / "report.md").exists()


def test_calls_are_asked_for_when_a_worker_is_free() -> None:
    """Both of two workers always have work, though only one holds the shared value; no call is requested ahead."""
    asked: list[int] = []
    ended: list[int] = []

    def calls() -> Iterator[tuple[str, tuple[Any, ...]]]:
        for number in range(8):
            assert len(asked) - len(ended) < 2
            asked.append(number)
            yield str(number), (sent, len(ended))

    with connect(WORKER_REQUIREMENTS, workers=2) as client:
        sent = share(client, b"x" * 1_000_000)
        processes = []
        for name, (process, seen) in outcomes_in_turn(client, slow_process, calls()):
            ended.append(int(name))
            processes.append(process)
            assert seen <= len(ended)
    assert sorted(ended) == list(range(8))
    assert len(set(processes)) == 2
    assert os.getpid() not in processes
