"""Regressions between runs: planted ones, none, and what cannot be compared."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from benchmarks.comparison.regressions import FALSE_ALARMS, _holm, diff
from benchmarks.comparison.text import diff_rows
from benchmarks.results.results import BenchResult, ModelResult, Peaks
from edge_runtime.common.intervals import Accuracy
from edge_runtime.errors import InputError
from tests.benchmarks.samples import bench_result, many_processes


def _run(seed: int, *factors: float, drift: float = 1.0, noise: float = 0.01, processes: int = 8) -> BenchResult:
    """A run of models that take 10 us, times a factor each; all processes and the machine's drift meet all models alike."""
    generator = np.random.RandomState(seed)
    common = drift * np.exp(generator.normal(0, 0.05, processes))

    def times(factor: float) -> list[int]:
        return [int(time) for time in 10_000_000 * factor * common * np.exp(generator.normal(0, noise, processes))]

    models = [many_processes(times(factor), calls=1, name=f"m{number}") for number, factor in enumerate(factors)]
    return bench_result(*models, reference=many_processes(times(1.0), calls=1, name="reference", sha256="00" * 32))


def test_a_machine_that_became_slower_is_no_regression() -> None:
    """The reference became slower as well."""
    found = diff(_run(0, 1.0, 2.0), _run(1, 1.0, 2.0, drift=1.4))
    assert found.slower == []
    assert [one.ratio for one in found.differences] == [pytest.approx(1, abs=0.02)] * 2


def test_a_model_that_became_slower_is_found_and_only_that() -> None:
    """By 8 %, while the machine became faster; its interval contains the true ratio."""
    found = diff(_run(0, 1.0, 2.0, 3.0), _run(1, 1.0, 2.16, 3.0, drift=0.8))
    assert [one.label for one in found.slower] == ["m1 int8"]
    low, high = found.differences[1].interval
    assert low < 1.08 < high


def test_a_model_that_became_faster_raises_no_alarm() -> None:
    """It is marked as faster."""
    found = diff(_run(0, 1.0), _run(1, 0.9))
    assert [(one.slower, one.faster) for one in found.differences] == [(False, True)]


def test_a_slowdown_of_a_percent_is_none_that_counts() -> None:
    """However certain it is."""
    certain = diff(_run(0, 1.0, noise=0.0001), _run(1, 1.01, noise=0.0001))
    assert certain.differences[0].p < 1e-6
    assert certain.slower == []


@pytest.mark.slow
def test_unchanged_runs_raise_few_alarms() -> None:
    """Of 400 pairs with three models each, at most 1.5 times as many as promised."""
    alarms = sum(
        bool(diff(_run(2 * seed, 1, 2, 3, noise=0.05), _run(2 * seed + 1, 1, 2, 3, noise=0.05)).slower) for seed in range(400)
    )
    assert 0 < alarms <= 400 * FALSE_ALARMS * 1.5


def test_times_that_never_vary_are_compared_as_they_are() -> None:
    """There is no variance to test with."""
    old, same, slow = (
        bench_result(many_processes([time] * 4), reference=many_processes([1_000] * 4, sha256="00" * 32))
        for time in (2_000, 2_000, 2_200)
    )
    assert diff(old, same).slower == []
    assert [one.ratio for one in diff(old, slow).slower] == [pytest.approx(1.1)]
    found = [diff(*runs).differences[0] for runs in ((old, same), (old, slow), (slow, old))]
    assert [(one.p, one.slower, one.faster) for one in found] == [(1, False, False), (0, True, False), (1, False, True)]
    assert [one.interval for one in found] == [(one.ratio, one.ratio) for one in found]
    assert found[2].ratio == pytest.approx(1 / 1.1)


def _welch(old: list[int], new: list[int]) -> tuple[float, tuple[float, float]]:
    """One-sided p and 95 % interval of the quotient by Welch's formulas, with Satterthwaite's degrees of freedom."""
    before, after = np.log(old), np.log(new)
    errors = before.var(ddof=1) / before.size, after.var(ddof=1) / after.size
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / (before.size - 1) + errors[1] ** 2 / (after.size - 1))
    change, error = after.mean() - before.mean(), sum(errors) ** 0.5
    half = t.ppf(0.975, freedom) * error
    return t.sf(change / error, freedom), (np.exp(change - half), np.exp(change + half))


def _alone(*models: list[int]) -> BenchResult:
    """A run of models and a reference of constant duration, so that the ratios are the times."""
    found = [many_processes(times, name=f"m{number}") for number, times in enumerate(models)]
    return bench_result(*found, reference=many_processes([1_000] * len(models[0]), name="reference", sha256="00" * 32))


STEADY, SHAKY = [10_000, 10_010, 9_990, 10_005, 9_995], [10_300, 11_900, 10_100]


def test_one_model_is_tested_by_welch() -> None:
    """Over as many processes as each run has, which do not vary alike: p, interval and ratio by his formulas."""
    (found,) = diff(_alone(STEADY), _alone(SHAKY)).differences
    p, interval = _welch(STEADY, SHAKY)
    assert (found.p, found.interval) == (pytest.approx(p), pytest.approx(interval))
    assert found.ratio == pytest.approx(np.exp(np.log(SHAKY).mean() - np.log(STEADY).mean()))


def test_several_models_are_tested_by_holm() -> None:
    """The smallest p counts three times, the next twice, the last once, and none less than one before it."""
    new = [[10_040, 10_000, 10_010], [10_900, 11_000, 10_950], [10_300, 10_010, 10_200]]
    found = diff(_alone(*[STEADY[:3]] * 3), _alone(*new)).differences
    last, first, middle = (_welch(STEADY[:3], times)[0] for times in new)
    assert first < middle < last
    assert [one.p for one in found] == [pytest.approx(p) for p in (max(2 * middle, last), 3 * first, 2 * middle)]


@pytest.mark.parametrize(
    ("chances", "corrected"),
    [
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.6, 0.9], [1, 1]),
        ([0.04], [0.04]),
        ([], []),
    ],
)
def test_holms_correction_is_that_of_r(chances: list[float], corrected: list[float]) -> None:
    """What p.adjust(..., "holm") gives."""
    assert _holm(chances) == pytest.approx(corrected)


@pytest.mark.parametrize(
    ("factor", "slower", "faster"), [(1.03, True, False), (1.01, False, False), (0.99, False, False), (0.97, False, True)]
)
def test_two_percent_either_way_are_reported(factor: float, slower: bool, faster: bool) -> None:
    """And not one, however certain."""
    (found,) = diff(_run(0, 1.0, noise=0.0001), _run(1, factor, noise=0.0001)).differences
    assert (found.slower, found.faster) == (slower, faster)


def _timed(reference: int, peak: float | None, *models: ModelResult) -> BenchResult:
    limits = None if peak is None else Peaks((peak,) * 3, (1e9,) * 3)
    own = many_processes([reference] * 3, name="reference", sha256="00" * 32)
    return bench_result(*(models or [many_processes([2 * reference] * 3)]), reference=own, limits=limits)


@pytest.mark.parametrize(
    ("new", "note"),
    [
        ((1_050, 1e9), None),
        ((953, 1e9), None),
        ((1_051, 1e9), "took 1.05 times as long"),
        ((952, 1e9), "took 0.95 times as long"),
        (
            (1_500, 0.67e9),
            "took 1.50 times as long.*; numpy's product of matrices took 1.49 times as long, so the machine changed$",
        ),
        (
            (1_500, 1e9),
            "numpy's product of matrices took 1.00 times as long, so not only the machine changed, but our code or its runtime",
        ),
        ((500, 1e9), "took 0.50 times as long"),
        ((1_500, None), "whether the machine changed is unknown"),
    ],
)
def test_a_slowdown_of_the_reference_too_is_a_note(new: tuple[int, float | None], note: str | None) -> None:
    """All ratios stay, so there is no alarm; a note states the change, and that of numpy, which is not our code."""
    found = diff(_timed(1_000, 1e9), _timed(*new))
    assert found.slower == []
    assert (found.reference[1].old, found.reference[1].new) == (1_000, new[0])
    assert found.differences[0].times.ratio == pytest.approx(new[0] / 1_000)
    assert len(found.notes) == (note is not None)
    if note:
        assert re.search(note, found.notes[0])


def test_without_the_machines_speed_in_the_old_run_nobody_knows() -> None:
    """The new run alone has nothing to compare it with."""
    (note,) = diff(_timed(1_000, None), _timed(1_500, 1e9)).notes
    assert note.endswith("; whether the machine changed is unknown")


def test_a_file_that_became_the_reference_is_judged() -> None:
    """It is another file, so its ratio counts; so does the reference's file run in another way."""
    old, new = (_timed(1_000, None, many_processes([2_000] * 3, sha256=digest * 32)) for digest in ("ab", "00"))
    for before, after in ((old, new), (new, old)):
        found = diff(before, after)
        assert (len(found.differences), found.itself) == (1, ())
    other = _timed(1_000, None, many_processes([2_000] * 3, sha256="00" * 32, way="tf.lite"))
    assert diff(other, other).itself == ()


def test_the_reference_itself_is_not_judged_by_its_ratio() -> None:
    """As a model it would be compared with itself; the times of both are in the table."""
    old, new = (
        _timed(time, None, many_processes([time] * 3, name="nano", sha256="00" * 32), many_processes([time] * 3, name="other"))
        for time in (1_000, 2_000)
    )
    found = diff(old, new)
    assert [one.label for one in found.differences] == ["other int8"]
    assert [(label, times.ratio) for label, times in found.itself] == [("nano int8", 2)]
    assert diff_rows(found) == [
        ("other int8", "1.0 us", "2.0 us", "2.000", "1.000", "1.000 to 1.000", "1", ""),
        ("nano int8", "1.0 us", "2.0 us", "2.000", "-", "-", "-", "is the reference"),
        ("reference: reference int8", "1.0 us", "2.0 us", "2.000", "-", "-", "-", ""),
    ]


def test_what_may_be_chance_is_not_reported() -> None:
    """Five percent either way, of times that vary by more."""
    shaky, other = _alone([10_300, 11_900, 10_100]), _alone([9_800, 11_200, 9_600])
    for old, new, ratio in ((shaky, other, 0.947), (other, shaky, 1.056)):
        (found,) = diff(old, new).differences
        assert (found.ratio, found.slower, found.faster) == (pytest.approx(ratio, abs=1e-3), False, False)


def test_what_only_one_run_has_is_reported() -> None:
    """And another file or accuracy under the same name."""
    old = bench_result(many_processes([1_000] * 3), many_processes([1_000] * 3, name="gone"))
    new = bench_result(
        many_processes([1_000] * 3, sha256="00" * 32, file_bytes=50_000, accuracy=Accuracy(9_930, 10_000, (99.1, 99.5))),
        many_processes([1_000] * 3, name="new"),
    )
    found = diff(old, new)
    assert (found.gone, found.new) == (("gone int8",), ("new int8",))
    assert found.notes == (
        "cnn int8: the file changed (49,449 bytes before, 50,000 now)",
        "cnn int8: 9,936 correct before, 9,930 now",
    )


@pytest.mark.parametrize(("old", "new"), [(None, 9_930), (9_930, None), (9_930, 9_930), (None, None)])
def test_answers_are_compared_where_both_runs_counted_them(old: int | None, new: int | None) -> None:
    """And a note where they differ."""
    runs = (
        bench_result(many_processes([1_000] * 3, accuracy=correct and Accuracy(correct, 10_000, (99.1, 99.5))))
        for correct in (old, new)
    )
    assert diff(*runs).notes == ()


def test_runs_without_a_common_model_are_refused() -> None:
    """There is nothing to compare."""
    with pytest.raises(InputError, match=r"^the two runs have no model in common$"):
        diff(bench_result(), bench_result(many_processes([1], name="other")))


@given(st.integers(1, 2), st.integers(1, 5))
def test_too_few_processes_are_refused(few: int, enough: int) -> None:
    """Two are too few for the variation between processes."""
    for old, new in ((few, enough), (enough, few)):
        with pytest.raises(
            InputError, match=f"^cnn int8: a comparison needs 3 processes per run, not {old} and {new}; see --starts$"
        ):
            diff(bench_result(many_processes([1_000] * old)), bench_result(many_processes([1_000] * new)))
