"""Sustained load, energy, and times at numpy's speed."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.reporting.extra_tables import extra_tables, thirds_ns
from benchmarks.reporting.warnings import warnings
from benchmarks.results.results import Peaks, Turn, Window
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run
from benchmarks.scenarios.sustained import window_seconds
from benchmarks.stats.intervals import at_numpys_speed_ns, median_ns
from benchmarks.system.energy import joule_meter
from benchmarks.worker import peaks
from benchmarks.worker.peaks import measure_peaks
from edge_runtime.model.model_file import MODELS
from tests.benchmarks.planting import COST, NS, planting
from tests.benchmarks.samples import QUIET, bench_result, model_result


def windows(medians: list[int], microjoules: int | None = None) -> tuple[Window, ...]:
    return tuple(Window(Turn(0, number, 1, 10, 0, None, (10 * ns,) * 5), QUIET, microjoules) for number, ns in enumerate(medians))


def test_models_run_without_a_pause() -> None:
    """For as long as was asked, window after window; each call is in a sample."""
    with planting({**NS, "small-int8.tflite": 1_000_000}):
        result = run([MODELS / "small-int8.tflite"], Settings("board", samples=3, starts=1, sustained=2), None)
    (model,) = result.models
    assert [window.turn.round for window in model.sustained] == [0, 1]
    for window in model.sustained:
        assert window.turn.group == 5  # of a millisecond each: two hundred samples are a second
        assert len(window.turn.samples_ns) == 200
        assert set(window.turn.samples_ns) <= {5_000_000 + COST - 1, 5_000_000 + COST, 5_000_000 + COST + 1}
    table = next(table for table in extra_tables(result) if table.name == "Sustained load")
    assert table.rows[0][:1] == ("small int8",)
    assert result.reference.sustained == ()


@pytest.mark.parametrize(("seconds", "expected"), [(0, []), (3, [1.0] * 3), (60, [5.0] * 12)])
def test_windows_fill_the_time(seconds: int, expected: list[float]) -> None:
    """Twelve of them, or one per second."""
    assert window_seconds(seconds) == expected


def test_a_board_that_slows_down_is_a_warning() -> None:
    """The last third against the first."""
    slowing = model_result(sustained=windows([1_000, 1_000, 1_010, 1_050, 1_080, 1_080]))
    assert thirds_ns(slowing.sustained) == (1_000, 1_080)
    assert "cnn int8: sustained load made it 8 % slower" in warnings(bench_result(slowing))
    steady = model_result(sustained=windows([1_000, 1_040, 1_000, 1_040]))
    assert not [text for text in warnings(bench_result(steady)) if "sustained load" in text]


def test_energy_is_per_answer() -> None:
    """50 answers in each window of half a second."""
    result = bench_result(model_result(sustained=windows([1_000, 1_000], 5_000)))
    (table,) = extra_tables(result)
    assert (table.rows[0][1], table.rows[0][-1]) == ("1", "100.0")
    (table,) = extra_tables(bench_result(model_result(sustained=windows([1_000]))))
    assert table.rows[0][-1] == "-"


def test_energy_is_read_of_all_packages(tmp_path: Path) -> None:
    """Parts of a package do not count twice; None where nothing is readable."""
    for name, text in (("intel-rapl:0", "1000"), ("intel-rapl:1", "200"), ("intel-rapl:0:0", "77")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(text)
    assert joule_meter(tmp_path)() == 1_200
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert joule_meter(tmp_path)() is None
    assert joule_meter(tmp_path / "gone")() is None


def test_the_time_at_numpys_speed_is_the_longer_of_two() -> None:
    """Multiply-adds at the peak, or weights at the speed of copying."""
    model = model_result(multiply_adds=1_000_000)  # with 36,104 bytes of weights
    assert at_numpys_speed_ns(model, Peaks((5e10, 1e11), (1e12, 1e12))) == pytest.approx(10_000)
    assert at_numpys_speed_ns(model, Peaks((1e15,), (36_104e3,))) == pytest.approx(1e6)
    assert at_numpys_speed_ns(model, None) is None
    assert at_numpys_speed_ns(replace(model, multiply_adds=None), Peaks((1.0,), (1.0,))) is None


def test_peaks_are_of_the_fastest_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a product takes 3 ms and a hundred copies 5 ms, but for one try of each."""
    durations = [3_000_000] * 20 + [5_000_000] * 20
    durations[7], durations[31] = 2_000_000, 4_000_000
    readings = (reading for duration in durations for reading in (0, duration))
    monkeypatch.setattr(peaks, "time", SimpleNamespace(perf_counter_ns=lambda: next(readings)))
    multiply_adds, copied = measure_peaks()
    assert multiply_adds == pytest.approx(384**3 / 0.002)
    assert copied == pytest.approx(100 * 256 * 1024 / 0.004)
    assert next(readings, None) is None


def test_a_run_states_the_time_at_numpys_speed() -> None:
    """With the multiply-adds of its model."""
    with planting(NS):
        result = run([MODELS / "small-int8.tflite"], Settings("board", samples=3, starts=2), None)
    assert result.limits
    assert len(result.limits.multiply_adds) == 2
    assert result.models[0].multiply_adds == 524_560  # 46,080 of them in the first convolution, two groups of four columns at once
    table = extra_tables(result)[0]
    assert table.name == "Beside numpy's speed"
    bound = at_numpys_speed_ns(result.models[0], result.limits)
    assert bound
    assert table.rows[0][-1] == f"{median_ns(result.models[0].median_turns) / bound:.1f}"


def test_a_model_without_that_time_keeps_its_row() -> None:
    """With dashes: its multiply-adds are unknown."""
    known, unknown = model_result(multiply_adds=1_000_000), model_result(name="unknown")
    table = extra_tables(bench_result(known, unknown, limits=Peaks((5e10,), (1e12,))))[0]
    assert [row[0] for row in table.rows] == [known.label, unknown.label]
    assert table.rows[1][1:] == ("-", "36,104", "-", "501.0 us", "-")


def test_impossible_limits_are_refused() -> None:
    """Results that were edited."""
    for multiply_adds, copied in (((), ()), ((1.0,), (0.0,)), ((1.0,), (1.0, 1.0))):
        with pytest.raises(ValueError, match="speeds are missing"):
            Peaks(multiply_adds, copied)
