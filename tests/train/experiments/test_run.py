"""Running an experiment: results of workers into the store."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.errors import DigitsError
from tests.train.experiments.samples import VERSIONS, invent_results
from train.data import Dataset
from train.experiments import run, store
from train.experiments.grid import Grid
from train.experiments.store import ExperimentSpec, open_store

GRID = Grid(hidden_layers=(0, 1), units=(8,), activations=("relu",), epochs=(3,), seeds=(0, 1))
SPEC = ExperimentSpec(GRID, "MNIST", "ab" * 32, VERSIONS)
RESULTS = invent_results(GRID, lambda _: 97)
FIRST, SECOND, THIRD, LAST = RESULTS


def _to_int8(*_: object) -> bytes:
    return b""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Results of fake workers, by key; their arguments are under "calls" afterwards."""
    answers: dict[str, Any] = dict(reversed(RESULTS.items()))

    @contextmanager
    def connect(_alike: object, scheduler: str | None, workers: int | None) -> Iterator[str]:
        yield f"client of {scheduler}, {workers}"

    def outcomes(client: object, function: object, calls: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        answers["calls"] = calls
        yield from ((key, answer) for key, answer in answers.items() if key in calls)

    monkeypatch.setattr(run, "connect", connect)
    monkeypatch.setattr(run, "outcomes", outcomes)
    monkeypatch.setattr(run, "worker_count", lambda _: 2)
    monkeypatch.setattr(run, "share", lambda client, data: f"{data.source} sent to {client}")
    return answers


def test_results_come_back_in_the_order_of_the_grid(sent: dict[str, Any], tmp_path: Path) -> None:
    """Here workers finish in reverse order."""
    with open_store(tmp_path, SPEC) as opened:
        finished, failures = run.run_grid(opened, "ab" * 32, _to_int8)
        assert (list(finished), failures) == (list(RESULTS), {})
        assert opened.read() == (RESULTS, {})
    assert sent["calls"][FIRST] == (GRID.cells[0], "ab" * 32, _to_int8)


def test_only_what_is_not_finished_is_asked_for(sent: dict[str, Any], tmp_path: Path) -> None:
    """In the order of the grid."""
    with open_store(tmp_path, SPEC) as opened:
        opened.add(SECOND, RESULTS[SECOND])
        run.run_grid(opened, "ab" * 32, _to_int8)
    assert list(sent["calls"]) == [FIRST, THIRD, LAST]


def test_data_of_ones_own_is_sent_once(sent: dict[str, Any], tmp_path: Path, invented: Dataset) -> None:
    """Each call refers to it, none contains it."""
    with open_store(tmp_path, SPEC) as opened:
        run.run_grid(opened, invented, _to_int8, "tcp://there:1")
    assert {given for _, given, _ in sent["calls"].values()} == {"invented sent to client of tcp://there:1, None"}


def test_what_is_no_result_or_of_another_version_is_a_failure_with_its_cause(sent: dict[str, Any], tmp_path: Path) -> None:
    """In one line each; the others are stored."""
    sent[FIRST] = ValueError("many\nlines " + "x" * 1_000)
    sent[SECOND] = DigitsError("the loss became nan")
    sent[LAST] = replace(RESULTS[LAST], versions={**VERSIONS, "keras": "2.0"})
    with open_store(tmp_path, SPEC) as opened:
        finished, failures = run.run_grid(opened, "ab" * 32, _to_int8)
        table, findings = run.write_outputs(opened, finished, failures)
    assert list(finished) == [THIRD]
    assert list(failures) == [FIRST, SECOND, LAST]
    assert failures[FIRST].startswith("ValueError: many lines xxx")
    assert len(failures[FIRST]) == 300
    assert failures[SECOND] == "the loss became nan"
    assert "keras 2.0" in failures[LAST]
    assert {finding.holds for finding in findings} == {"undecided"}
    assert [row.missing for row in table] == [(0,), (0, 1)]


def test_an_experiment_of_which_all_failed_still_has_its_table(sent: dict[str, Any], tmp_path: Path) -> None:
    """Without plots, and with every cell named."""
    sent.update(dict.fromkeys(RESULTS, DigitsError("no memory")))
    with open_store(tmp_path, SPEC) as opened:
        run.write_outputs(opened, *run.run_grid(opened, "ab" * 32, _to_int8))
    assert not list(tmp_path.glob("*.png"))
    text = (tmp_path / "report.md").read_text()
    assert all(f"`{key}`: no memory" in text for key in RESULTS)
    assert "## Pictures" not in text
    assert "0 findings" not in text


def test_a_full_disk_ends_it(sent: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training on would be useless if no result can be stored."""
    with open_store(tmp_path, SPEC) as opened:

        def full(path: Path, *_: object, **__: object) -> None:
            raise DigitsError(f"{path}: cannot be written (No space left on device)")

        monkeypatch.setattr(store, "write_file", full)
        with pytest.raises(DigitsError, match="No space left"):
            run.run_grid(opened, "ab" * 32, _to_int8)
