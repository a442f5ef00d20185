"""What follows from which files run where: the table of operators."""

import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from convert.compatibility.operator_support import TABLE, Release, State, Use, parse_table, proven
from convert.quantization.recipes import RECIPES
from edge_runtime.model.model_file import DEFAULT_MODEL
from tests.conftest import ROOT
from tools.pages.runtimes import found_table
from tools.release.operators import prove
from tools.release.operators.prove import RELEASES, Contradiction, Failure, Outcome, conclusions, table_text
from tools.release.operators.samples import Sample

RECIPE = RECIPES["int8"]
OLD, NEW = Release("ai-edge-litert", "1.4.0"), Release("ai-edge-litert", RELEASES["ai-edge-litert"][-1])
ALL = [Release(package, version) for package, versions in RELEASES.items() for version in versions]


def test_the_committed_table_is_about_these_releases() -> None:
    """One that the tool tries and the table lacks, or the other way round, was not proven; what converts here is among them."""
    assert {package: list(versions) for package, versions in proven().releases.items()} == RELEASES
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    assert f"ai-edge-litert=={RELEASES['ai-edge-litert'][-1]}" in pinned


def test_the_page_shows_what_the_table_says() -> None:
    """What follows from the committed table, row by row."""
    content = json.loads((ROOT / "convert" / "compatibility" / TABLE).read_text())
    page = (ROOT / "docs" / "results" / "runtimes.md").read_text()
    assert found_table(content) in page
    assert "FULLY_CONNECTED version 12 (float32, int8, float32 -> float32) | 1.4.0 | refused |" in page


def _use(name: str) -> Use:
    return Use(name, 1, ("int8",), ("int8",))


def _samples(**operators: str) -> dict[str, Sample]:
    """Files by name, each with operators of one letter."""
    return {name: Sample(RECIPE, b"", tuple(map(_use, letters))) for name, letters in operators.items()}


def _outcomes(samples: dict[str, Sample], **failing: list[Release]) -> dict[Release, dict[str, Outcome]]:
    return {release: {name: Failure("no") if release in failing.get(name, []) else None for name in samples} for release in ALL}


def _states(content: dict, name: str) -> list[State]:
    table = parse_table(json.loads(table_text(content)))
    return [table.state(_use(name), release) for release in ALL]


def test_what_runs_everywhere_is_proven_from_the_oldest_release_on() -> None:
    """With the first file that shows it, in the order of names; the table can be read back."""
    samples = _samples(x="AB", y="B")
    content = conclusions(samples, _outcomes(samples))
    assert [(row["operator"], row["runs"], row["refused"], row["proof"]) for row in content["rows"]] == [
        ("A", {"ai-edge-litert": "1.4.0", "tflite-runtime": "2.14.0"}, {}, "x"),
        ("B", {"ai-edge-litert": "1.4.0", "tflite-runtime": "2.14.0"}, {}, "x"),
    ]
    assert set(_states(content, "A")) == {State.RUNS}


def test_the_only_unproven_operator_of_a_failing_file_is_refused() -> None:
    """The others run in another file there."""
    samples = _samples(x="AB", y="B")
    content = conclusions(samples, _outcomes(samples, x=ALL[:2]))
    assert _states(content, "A")[:3] == [State.REFUSED, State.REFUSED, State.RUNS]
    assert set(_states(content, "B")) == {State.RUNS}


def test_of_several_suspects_none_is_proven_and_none_refused() -> None:
    """Nothing tells them apart."""
    samples = _samples(x="AB")
    content = conclusions(samples, _outcomes(samples, x=[OLD]))
    assert {_states(content, name)[0] for name in "AB"} == {State.UNPROVEN}
    assert {_states(content, name)[1] for name in "AB"} == {State.RUNS}


def test_a_gap_ends_what_is_proven() -> None:
    """What an old release ran and a later one did not is proven from the one after that on alone."""
    samples = _samples(x="A")
    content = conclusions(samples, _outcomes(samples, x=[ALL[1]]))
    assert _states(content, "A")[:3] == [State.UNPROVEN, State.REFUSED, State.RUNS]


def test_where_all_are_proven_the_rarest_is_to_blame() -> None:
    """A runs in one other file, B in two: it is A that computes something else there."""
    samples = _samples(bad="AB", a="AB", b="B")
    content = conclusions(samples, _outcomes(samples, bad=[OLD]))
    assert (_states(content, "A")[0], _states(content, "B")[0]) == (State.REFUSED, State.RUNS)


def test_one_that_is_refused_explains_other_files_that_have_it() -> None:
    """Of those nothing else is to blame, even where A and B are shown equally often."""
    samples = _samples(bad="AB", worse="AC", a="AB", c="C", d="C")
    content = conclusions(samples, _outcomes(samples, bad=[OLD], worse=[OLD]))
    assert (_states(content, "A")[0], _states(content, "B")[0], _states(content, "C")[0]) == (
        State.REFUSED,
        State.RUNS,
        State.RUNS,
    )


def test_what_may_be_rounding_proves_nothing_and_refuses_nothing() -> None:
    """Files that are off by little count for neither; what else is known of their operators stays."""
    samples = _samples(x="AB", y="B")
    outcomes = _outcomes(samples)
    outcomes[OLD]["x"] = Failure("outputs differ by 2 steps", by_rounding=True)
    content = conclusions(samples, outcomes)
    assert (_states(content, "A")[0], _states(content, "B")[0]) == (State.UNPROVEN, State.RUNS)


def test_where_nothing_tells_whom_to_blame_there_is_no_table() -> None:
    """Rather an error than a row that may be wrong."""
    samples = _samples(bad="AB", a="AB")
    with pytest.raises(Contradiction, match=r"bad does not run on ai-edge-litert 1.4.0 \(no\)"):
        conclusions(samples, _outcomes(samples, bad=[OLD]))


def test_what_never_runs_is_in_no_row() -> None:
    """No release is seen to run it, so it is simply unproven."""
    samples = _samples(x="A", y="B")
    assert [row["operator"] for row in conclusions(samples, _outcomes(samples, x=ALL))["rows"]] == ["B"]


def test_a_file_that_ends_the_process_is_given_up_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As an old runtime does at a file that it does not understand; one that it refuses is an error, and files that run give numbers."""
    runner = tmp_path / "runner.py"
    crash = "if Path(path).name == 'b': __import__('os').kill(__import__('os').getpid(), 9)"
    text = Path(prove.__file__).with_name("run.py").read_text()
    runner.write_text(text.replace("        try:\n", f"        {crash}\n        try:\n"))
    monkeypatch.setattr(prove, "_RUNNER", runner)
    monkeypatch.setattr(prove, "prepared", lambda _: Path(sys.executable))
    for name in "abd":
        (tmp_path / name).write_bytes(DEFAULT_MODEL.read_bytes())
    (tmp_path / "c").write_bytes(b"\0\0\0\0TFL3 and no more")
    np.save(tmp_path / "images.npy", np.zeros((2, 28, 28), np.uint8))
    answers = prove._answers(NEW, tmp_path, list("abcd"))
    assert answers["b"] == {"error": f"the process ended with {-signal.SIGKILL}"}
    assert "error" in answers["c"]
    assert answers["a"] == answers["d"]
    assert np.shape(answers["a"]["outputs"]) == (2, 10)
