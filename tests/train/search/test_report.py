"""The results of a study: front, table, report, plot, points."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BadArgument, DataError
from tests.train.search.conftest import HERE, ended, front_of
from train.config.config_file import config_of, read_config
from train.search.plots import pareto_plot
from train.search.points import config_text, read_point, write_points
from train.search.report import Report, trials_csv
from train.search.settings import Plan, Settings
from train.search.study import Trial

FAILED = Trial(2, {"model": "mlp", "hidden": [3]}, None, "DigitsError: the loss became nan")
TRIALS = [ended(0, 40, 1_000), ended(1, 45, 2_000, 9_000, 8_000), FAILED, ended(3, 40, 1_500), ended(4, 30, 1_500, 2_000)]
FRONT = [TRIALS[0], TRIALS[4], TRIALS[1]]

_small = st.integers(1, 4)


@given(st.lists(st.tuples(_small, _small, _small), max_size=12))
def test_the_front_is_what_nothing_beats(figures: list[tuple[int, int, int]]) -> None:
    """No trial dominates a point of the front, and a point of the front dominates every other trial; equal trials are both on it."""
    trials = [ended(number, *each) for number, each in enumerate(figures)]
    front = front_of(trials)

    def beats(one: Trial, other: Trial) -> bool:
        (accuracy, size, time), (accuracy2, size2, time2) = figures[one.number], figures[other.number]
        return accuracy >= accuracy2 and size <= size2 and time <= time2 and figures[one.number] != figures[other.number]

    assert all(any(beats(point, trial) for point in front) == (trial not in front) for trial in trials)
    assert not any(beats(trial, point) for trial in trials for point in front)


def test_failed_trials_are_on_no_front() -> None:
    """Nor do they dominate others; the front starts with the fewest bytes."""
    assert front_of(TRIALS) == FRONT


def test_the_table_has_all_trials() -> None:
    """One line each, with whole bytes and nanoseconds; a failed trial has its error."""
    rows = list(csv.DictReader(io.StringIO(trials_csv(TRIALS, FRONT))))
    assert [row["name"] for row in rows] == ["t0", "t1", "t2", "t3", "t4"]
    assert rows[1] == {
        "name": "t1",
        "network": "2",
        "validation_correct": "45",
        "validation_total": "50",
        "payload_bytes": "2000",
        "latency_ns": "8000",
        "latency_medians_ns": "9000 8000",
        "busy_percent": "0.0",
        "parameters": "1960",
        "seconds": "1.2",
        "on_front": "1",
        "error": "",
    }
    assert {name for name, value in rows[2].items() if value} == {"name", "network", "on_front", "error"}
    assert [row["on_front"] for row in rows] == ["1", "1", "0", "0", "1"]


def test_the_page_says_what_was_done_and_how_sure_it_is(settings: Settings) -> None:
    """Counts, limit, recipe, machine, the limitations of validation and short training, the interval, and the next commands."""
    page = Report(Path("mine/one"), settings, TRIALS, FRONT).markdown()
    for text in (
        "# Search one\n\n5 trials, 1 of them failed: networks of the space mlp with at most 20,000 bytes of int8 payload",
        "the 550 training images of invented ",
        "epochs 1, seed 3, batch size 128,",
        "optimizer adamw,",
        "## The Pareto front: 3 points",
        "| t1 | 2 | 90.00 % (78.64 to 95.65) | 2,000 B | 8.0 us | 1,960 |",
        "Chosen on 50 validation images, after a training of 1 epoch with one seed; the test set was not used.",
        "90.00 % (78.64 to 95.65) is the best here",
        f"Latency is of {HERE}",
        "digits search --name one --searches mine --train t1 ",
        "digits train --config mine/one/points/t1.toml ",
    ):
        assert text in page
    assert page.index("| t0 |") < page.index("| t4 |") < page.index("| t1 |")
    assert "| t3 |" not in page


@pytest.mark.parametrize(
    ("trial", "warning"),
    [
        (ended(0, 40, 1_000, 5_000, busy=20), None),
        (ended(0, 40, 1_000, 5_000, busy=21), "up to 21 %, just before 1 of 2 measurements"),
        (ended(0, 40, 1_000, 5_000, 5_501), "The medians of 1 of 2 trials lie more than 10 % apart"),
        (ended(0, 40, 1_000, 5_000, 5_500), None),
    ],
)
def test_the_page_warns_of_its_latencies(settings: Settings, trial: Trial, warning: str | None) -> None:
    """For a busy machine and for unsteady medians only."""
    page = Report(Path("mine/one"), settings, [trial, ended(1, 40, 2_000)], [trial]).markdown()
    assert ("Warning:" in page) == (warning is not None)
    assert (warning or "") in page


@pytest.mark.parametrize("trials", [TRIALS, [ended(0, 50, 1_000)]], ids=["several", "one without a mistake"])
def test_the_picture_is_drawn(trials: list[Trial]) -> None:
    """Also for a single trial, and without any error; the same trials give the same bytes."""
    pictures = [pareto_plot(trials, front_of(trials), "title") for _ in range(2)]
    assert pictures[0].startswith(b"\x89PNG")
    assert pictures[0] == pictures[1]


def test_points_are_configs_that_can_be_read(tmp_path: Path, plan: Plan) -> None:
    """For the trial itself, or with other epochs and seed; files of former points are removed."""
    write_points(tmp_path, plan, FRONT)
    write_points(tmp_path, plan, FRONT[1:])
    assert sorted(path.name for path in (tmp_path / "points").iterdir()) == ["t1.toml", "t4.toml"]
    assert read_point(tmp_path, "t4") == read_config(tmp_path / "points" / "t4.toml") == plan.config(TRIALS[4].network)
    longer = read_point(tmp_path, "t4", 30, 7)
    assert (longer.hidden, longer.epochs, longer.seed, longer.optimizer) == ((5,), 30, 7, "adamw")


@pytest.mark.parametrize("name", ["t0", "t", "", "../points/t4", "t4.toml", "4"])
def test_a_point_that_is_not_on_the_front_is_refused(tmp_path: Path, plan: Plan, name: str) -> None:
    """With the existing points."""
    write_points(tmp_path, plan, FRONT[1:])
    with pytest.raises(BadArgument, match=r"has no point '.*' on its front; choose from t1, t4$"):
        read_point(tmp_path, name)


def test_a_point_that_was_spoilt_is_told(tmp_path: Path, plan: Plan) -> None:
    """The error names the file and the field."""
    write_points(tmp_path, plan, FRONT)
    path = tmp_path / "points" / "t4.toml"
    path.write_text(path.read_text().replace("epochs = 1", "epochs = 0"))
    with pytest.raises(DataError, match=r"t4\.toml: .*epochs is 0"):
        read_point(tmp_path, "t4")


@given(
    st.fixed_dictionaries(
        {
            "model": st.just("cnn"),
            "convolutions": st.sampled_from(["16k5s2v,32k3v,dk3,32k1", "4k3"]),
            "epochs": st.integers(1, 10_000),
            "learning_rate": st.floats(1e-12, 10),
            "augmentation": st.fixed_dictionaries({"shift": st.floats(0, 14), "zoom": st.floats(0, 0.9)}),
        }
    )
)
def test_a_config_is_the_same_as_toml(fields: dict[str, object]) -> None:
    """Numbers are equal to the last bit."""
    import tomllib

    text = config_text(fields)
    assert tomllib.loads(text) == fields
    assert config_of(tomllib.loads(text)) == config_of(fields)
