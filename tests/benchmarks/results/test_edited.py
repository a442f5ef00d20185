"""A real results file, edited by hand in every field: it is refused with an input error, or it can be shown, compared and chosen from."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.comparison import page
from benchmarks.comparison import plots as report_plots
from benchmarks.comparison.choose import Limits, choose
from benchmarks.comparison.comparable import check_comparable, read_all
from benchmarks.comparison.regressions import diff
from benchmarks.reporting import plots
from benchmarks.reporting.extra_tables import extra_tables
from benchmarks.reporting.warnings import warnings
from benchmarks.results.results import BenchResult
from benchmarks.runner import config
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run
from benchmarks.scenarios.loadgen import installed_release
from edge_runtime.common.json_codec import to_json
from edge_runtime.errors import InputError
from edge_runtime.model.model_file import MODELS
from train.data import Dataset

NUMBERS = (0, -1, 2**31, 10**400, 1e308)
RETYPED: tuple[Any, ...] = ("text", [], {})
Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def content(mnist: Dataset) -> Any:
    """A small run with everything in it."""
    few = Dataset("few", mnist.x_train[:400], mnist.y_train[:400], mnist.x_test[:40], mnist.y_test[:40])
    patch = pytest.MonkeyPatch()
    patch.setattr(config, "_COLD_STARTS", 1)
    try:
        settings = Settings(
            "board", 60, starts=3, batches=(8,), loadgen=installed_release() is not None, layers=True, sustained=3, command="digits"
        )
        return _shortened(json.loads(to_json(run([MODELS / "small-int8.tflite", MODELS / "nano-fp32.tflite"], settings, few))))
    finally:
        patch.undo()


def _shortened(value: Any) -> Any:
    """The same with ten of each list of numbers: the file is read a thousand times."""
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in (value[:10] if all(type(item) is int for item in value) else value)]
    return value


def _places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every field, and the first and last entry of each list."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*at, key))
    elif isinstance(value, list):
        for number in sorted({0, len(value) - 1} if value else ()):
            yield from _places(value[number], (*at, number))


def _edited(content: Any, place: Place, edit: Any) -> Any:
    """A copy of the content with one edit; only what lies on the way to it is copied."""
    if not place:
        return edit(content)
    changed = copy.copy(content)
    if len(place) == 1 and edit is None:
        del changed[place[0]]
    else:
        changed[place[0]] = _edited(content[place[0]], place[1:], edit)
    return changed


def _use(paths: list[Path]) -> None:
    """All that becomes of results files."""
    results = read_all(paths)
    differences = check_comparable(results)
    page.sections(results, differences)
    page.markdown(results)
    for named in results:
        warnings(named.result)
        extra_tables(named.result)
    choose(results, Limits(max_latency_us=1e6))


@pytest.fixture
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are composed, but not painted."""
    for module in (plots, report_plots):
        monkeypatch.setattr(module, "png", lambda figure: b"")


@pytest.fixture
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor composed: types are what this is about."""
    for name in report_plots.__all__:
        monkeypatch.setattr(report_plots, name, lambda result: b"")


def _outcome(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content))
    try:
        _use([path])
    except InputError:
        return "refused"
    return "used"


@pytest.mark.sweep
@pytest.mark.usefixtures("_no_pictures")
def test_every_number_may_be_nonsense(content: Any, tmp_path: Path) -> None:
    """Whatever is written in its place."""
    found = {"used": 0, "refused": 0}
    for place in _distinct(content):
        value = _at(content, place)
        if type(value) in (int, float):
            for number in NUMBERS:
                found[_outcome(tmp_path / "edited.json", _edited(content, place, lambda _, number=number: number))] += 1
    assert found["refused"] > 200
    assert found["used"] > 30


@pytest.mark.sweep
@pytest.mark.usefixtures("_no_plots")
def test_every_field_may_be_gone_or_of_another_type(content: Any, tmp_path: Path) -> None:
    """Lists may be empty, texts numbers, objects lists."""
    found = {"used": 0, "refused": 0}
    for place in _distinct(content):
        found[_outcome(tmp_path / "edited.json", _edited(content, place, None))] += 1
        for value in RETYPED:
            found[_outcome(tmp_path / "edited.json", _edited(content, place, lambda _, value=value: value))] += 1
    assert found["refused"] > 300


@pytest.mark.slow
def test_an_edited_run_is_compared_or_refused(content: Any) -> None:
    """For regressions too: whatever can be read."""
    from edge_runtime.common.json_codec import checked

    old, found = checked(BenchResult, content, ""), {"compared": 0, "refused": 0}
    for place in _distinct(content):
        if type(_at(content, place)) is int:
            for number in (0, 1, 2**31):
                try:
                    diff(old, checked(BenchResult, _edited(content, place, lambda _, number=number: number), ""))
                    found["compared"] += 1
                except InputError:
                    found["refused"] += 1
    assert min(found.values()) > 10


def _distinct(content: Any) -> list[Place]:
    """One place of each kind: fields of the first entry of a list stand for those of the others."""
    kinds: dict[Place, Place] = {}
    for place in _places(content):
        kinds.setdefault(tuple("*" if isinstance(part, int) else part for part in place), place)
    return list(kinds.values())


def _at(content: Any, place: Place) -> Any:
    for part in place:
        content = content[part]
    return content
