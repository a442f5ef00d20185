"""Stages that are run only where something has changed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.pipeline.cli import _PACKAGES
from benchmarks.pipeline.stages import STAMPS, Stage, run_stage
from tools.release.operators.inputs import _MAKERS


class _Work:
    """A stage that copies its inputs, in capitals, to its output; it counts how often."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, 0
        self.inputs = [folder / "a" / "text", folder / "b" / "text"]
        for path in self.inputs:
            path.parent.mkdir()
            path.write_text(f"from {path.parent.name} ")
        self.output = folder / "capitals"
        self.stage = Stage("make capitals", {"rate": 0.5, "names": ("x", "y")}, self.inputs, [self.output], self.run)

    def run(self) -> None:
        self.runs += 1
        self.output.write_text("".join(path.read_text() for path in self.inputs).upper())

    def again(self, stage: Stage | None = None, *, force: bool = False) -> bool:
        """Run the stage and say whether it did anything; the count must agree with the answer."""
        before = self.runs
        ran = run_stage(stage or self.stage, self.folder, force)
        assert self.runs - before == ran
        return ran


@pytest.fixture
def work(tmp_path: Path) -> _Work:
    """A stage that has run once."""
    work = _Work(tmp_path)
    assert work.again()
    return work


def test_a_stage_runs_once(work: _Work) -> None:
    """The second and third time nothing is done, and the output stays."""
    assert (work.again(), work.again()) == (False, False)
    assert work.output.read_text() == "FROM A FROM B "


CHANGES: dict[str, Callable[[_Work], object]] = {
    "first input": lambda work: work.inputs[0].write_text("new "),
    "second input of the same name": lambda work: work.inputs[1].write_text("new "),
    "inputs swapped": lambda work: [path.write_text(f"from {name} ") for path, name in zip(work.inputs, "ba", strict=True)],
    "output": lambda work: work.output.write_text("edited by hand"),
    "output gone": lambda work: work.output.unlink(),
    "stamp gone": lambda work: (work.folder / STAMPS / "make-capitals.json").unlink(),
    "stamp damaged": lambda work: (work.folder / STAMPS / "make-capitals.json").write_text('{"settings'),
    "stamp of another kind": lambda work: (work.folder / STAMPS / "make-capitals.json").write_text("[]"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_stage_runs_again_after_a_change(work: _Work, change: str) -> None:
    """Of any input or output, or of the stamp; once, and the output is made anew."""
    CHANGES[change](work)
    assert (work.again(), work.again()) == (True, False)
    assert work.output.read_text() == "".join(path.read_text() for path in work.inputs).upper()


@pytest.mark.parametrize("settings", [{}, {"rate": 0.6, "names": ("x", "y")}, {"rate": 0.5, "names": ("x", "y"), "seed": 0}])
def test_a_stage_runs_again_with_other_settings(work: _Work, settings: dict[str, object]) -> None:
    """One left out, another value, one more."""
    changed = replace(work.stage, settings=settings)
    assert (work.again(changed), work.again(changed)) == (True, False)


def test_an_untouched_input_that_is_written_anew_changes_nothing(work: _Work) -> None:
    """Content counts, not the time of a file."""
    work.inputs[0].write_text(work.inputs[0].read_text())
    assert not work.again()


def test_force_runs_a_stage_that_is_up_to_date(work: _Work) -> None:
    """And leaves it up to date."""
    assert (work.again(force=True), work.again()) == (True, False)


def test_a_stage_that_fails_is_run_again(work: _Work) -> None:
    """No stamp is left, even if there was one before and the inputs are unchanged."""

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(replace(work.stage, run=fail), work.folder, force=True)
    assert not list((work.folder / STAMPS).iterdir())
    assert (work.again(), work.again()) == (True, False)


def test_a_stage_that_did_not_write_its_output_is_not_up_to_date(work: _Work) -> None:
    """A stage that does not write a promised file runs again each time."""
    lazy = replace(work.stage, name="lazy", outputs=[work.folder / "never"])
    assert (work.again(lazy), work.again(lazy)) == (True, True)


def test_stages_do_not_share_their_stamps(work: _Work) -> None:
    """Another stage in the same folder has its own state."""
    other = replace(work.stage, name="other")
    assert (work.again(other), work.again(other), work.again()) == (True, False, False)


def test_another_release_of_what_makes_files_makes_stages_out_of_date() -> None:
    """The packages whose releases decide the operators' proof too: the quantiser of int4 is one of them."""
    assert {*_PACKAGES} == {*_MAKERS}
