"""`digits search`: a study that is killed and continued, its files, training of its points, and wrong usage."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import digits, one_line
from tests.train.conftest import interrupting
from tests.train.search.conftest import KilledStudy
from train.config.config_file import read_config
from train.loop import trainer
from train.runs.store import read_record
from train.search.cli import machine_kind
from train.search.settings import read_settings

pytestmark = pytest.mark.slow


def _rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "trials.csv").read_text())))


def test_a_killed_study_goes_on_and_repeats_nothing(killed_study: KilledStudy) -> None:
    """Three trials in all, each of a network and a number of its own.

    The one that ended before the kill was not run again; the one that was running then was, under a new number.
    """
    rows = _rows(killed_study.folder)
    assert [row["name"] for row in rows] == ["t0", "t2", "t3"]
    assert len({row["network"] for row in rows}) == 3
    lines = (killed_study.folder / "journal.log").read_text().splitlines()
    assert lines[: killed_study.before.count("\n")] == killed_study.before.splitlines()
    assert killed_study.before.count('"outcome"') == 1
    networks = [json.loads(line)["user_attr"]["network"]["convolutions"] for line in lines if '"network"' in line]
    assert networks[1] == networks[2] == rows[1]["network"]
    assert sum('"outcome"' in line for line in lines) == 3


def test_figures_are_real(killed_study: KilledStudy) -> None:
    """Bytes within the limit and above the network's weights, a plausible latency, the kind of this machine."""
    settings = read_settings(killed_study.folder)
    assert settings is not None
    assert settings.machine == machine_kind()
    for row in _rows(killed_study.folder):
        assert int(row["parameters"]) * 0.9 < int(row["payload_bytes"]) <= 1_500
        assert 1_000 < int(row["latency_ns"]) < 1_000_000_000
        assert len(row["latency_medians_ns"].split()) == 7
        assert int(row["validation_total"]) == 50


def test_a_study_has_its_page_picture_and_points(killed_study: KilledStudy) -> None:
    """A point per trial of the front, with the trial's config; the command prints the next commands."""
    front = {row["name"]: row["network"] for row in _rows(killed_study.folder) if row["on_front"] == "1"}
    points = {path.stem: read_config(path) for path in (killed_study.folder / "points").iterdir()}
    assert {name: ",".join(map(str, config.convolutions)) for name, config in points.items()} == front
    assert (killed_study.folder / "pareto.png").read_bytes().startswith(b"\x89PNG")
    page = (killed_study.folder / "report.md").read_text()
    assert all(f"| {name} | {network} |" in page for name, network in front.items())
    assert "--train t" in killed_study.printed
    assert f"digits train --config {killed_study.folder / 'points'}" in killed_study.printed


def test_a_point_is_trained_by_name(killed_study: KilledStudy, data_file: Path, tmp_path: Path) -> None:
    """With its network and recipe and other epochs; a second time only with --force."""
    name = next(row["name"] for row in _rows(killed_study.folder) if row["on_front"] == "1")
    words = ("search", "--name", "small", "--searches", killed_study.folder.parent, "--data", data_file, "--runs", tmp_path)
    answer = digits(*words, "--train", name, "--epochs", 2)
    assert (answer.code, "digits convert" in answer.out) == (0, True)
    config = read_record(tmp_path / f"small-{name}" / "training.json").config
    point = read_config(killed_study.folder / "points" / f"{name}.toml")
    assert (config.convolutions, config.epochs, config.augmentation) == (point.convolutions, 2, point.augmentation)
    assert "give --force" in one_line(digits(*words, "--train", name, "--epochs", 2), 1)


@pytest.mark.usefixtures("listening")
def test_a_point_stopped_in_its_first_epoch_goes_on(
    monkeypatch: pytest.MonkeyPatch, killed_study: KilledStudy, data_file: Path, tmp_path: Path
) -> None:
    """By repeating the command, although there is no checkpoint yet."""
    name = next(row["name"] for row in _rows(killed_study.folder) if row["on_front"] == "1")
    words = ("search", "--name", "small", "--searches", killed_study.folder.parent, "--data", data_file, "--runs", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "Progress", interrupting({1}))
        answer = digits(*words, "--train", name, "--epochs", 1)
    assert (answer.code, answer.err) == (130, "stopped after 0 of 1 epochs; repeating the command continues the run\n")
    assert not (tmp_path / f"small-{name}" / "checkpoint.npz").exists()
    assert digits(*words, "--train", name, "--epochs", 1).code == 0
    assert read_record(tmp_path / f"small-{name}" / "training.json").complete


def _copy(study: KilledStudy, tmp_path: Path) -> tuple[Path, list[str]]:
    """A copy of the study in another folder, and the command that continues it there."""
    folder = tmp_path / study.folder.name
    shutil.copytree(study.folder, folder)
    return folder, [str(tmp_path) if word == str(study.folder.parent) else word for word in study.words]


def test_a_whole_study_is_only_reported_again(killed_study: KilledStudy, tmp_path: Path) -> None:
    """No worker is started; the report is the same."""
    folder, words = _copy(killed_study, tmp_path)
    (folder / "report.md").unlink()
    answer = digits(*words)
    assert (answer.code, answer.err) == (0, "")
    page = (killed_study.folder / "report.md").read_text()
    assert (folder / "report.md").read_text() == page.replace(str(killed_study.folder.parent), str(tmp_path))


def test_a_damaged_study_is_told_in_one_line(killed_study: KilledStudy, tmp_path: Path) -> None:
    """Its journal, its settings, or missing settings."""
    folder, words = _copy(killed_study, tmp_path)
    journal, settings = folder / "journal.log", folder / "study.json"
    whole, text = journal.read_bytes(), settings.read_text()
    journal.write_bytes(whole[:500] + b"\x00\xff" + whole[502:])
    assert "journal.log: is damaged" in one_line(digits(*words), 4)
    journal.write_bytes(whole)
    settings.write_text(text[:-20])
    assert "study.json: is not valid JSON" in one_line(digits(*words), 4)
    settings.write_text(text.replace('"version": 1', '"version": 2'))
    assert "study.json: has version 2, this program reads 1" in one_line(digits(*words), 4)
    settings.unlink()
    assert "has trials, but no study.json" in one_line(digits(*words), 1)


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--epochs", "2", "study small was started with epochs 1, not 2"),
        ("--max-bytes", "1600", "study small was started with max bytes 1500, not 1600"),
        ("--seed", "1", "study small was started with seed 0, not 1"),
        ("--space", "mlp", "payload is limited to 1,500 bytes, expected 3,"),
        ("--data", None, "study small was started with classes|data sha256"),
    ],
)
def test_a_study_keeps_to_its_plan(
    killed_study: KilledStudy, tmp_path: Path, option: str, value: str | None, complaint: str
) -> None:
    """Trials with other settings or images are not comparable: exit code 2, and the difference."""
    _, words = _copy(killed_study, tmp_path)
    if value is None:
        del words[words.index(option) : words.index(option) + 2]
    line = one_line(digits(*words, *((option, value) if value else ())), 2)
    assert any(part in line for part in complaint.split("|"))


def test_a_study_of_another_machine_is_refused(killed_study: KilledStudy, tmp_path: Path) -> None:
    """By workers that are started here, before they train; existing trials stay."""
    folder, words = _copy(killed_study, tmp_path)
    settings = folder / "study.json"
    settings.write_text(settings.read_text().replace('"cpu": "', '"cpu": "Not '))
    words[words.index("--trials") + 1] = "5"
    line = one_line(digits(*words, "--workers", 1), 1)
    assert "study small was measured on Not " in line
    assert len(_rows(folder)) == 3


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--trials", 0), "--trials is 0"),
        (("--workers", 0), "--workers is 0, expected 1 to 256"),
        (("--workers", 257), "--workers is 257, expected 1 to 256"),
        (("--epochs", 0), "epochs is 0, expected 1 to 10,000"),
        (("--seed", -1), "seed is -1, expected 0"),
        (("--max-bytes", 100), "payload is limited to 100 bytes"),
        (("--name", "../up"), "name is '../up'"),
        (("--name", ""), "name is ''"),
        (("--workers", 2, "--scheduler", "tcp://host:1"), "--workers is for this machine; with --scheduler"),
        (("--force",), "--force is for --train"),
        (("--train", "t1", "--trials", 5), "--trials is for a search"),
        (("--train", "t1", "--max-bytes", 5), "--max-bytes is for a search"),
        (("--train", "t1"), "is not a study; start it with: digits search --name cnn"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, words: tuple[object, ...], complaint: str) -> None:
    """Exit code 2, and nothing is written."""
    assert complaint in one_line(digits("search", "--searches", tmp_path / "searches", *words), 2)
    assert not (tmp_path / "searches").exists()


def test_an_unknown_space_is_refused() -> None:
    """With the known ones."""
    answer = digits("search", "--space", "transformer")
    assert (answer.code, "'cnn', 'mlp'" in answer.err) == (2, True)


def test_wrong_usage_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    """Without TensorFlow, Optuna, dask or matplotlib."""
    code = (
        "import sys\nfrom edge_runtime.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit as end: code = end.code\n"
        "print(code, {'tensorflow', 'optuna', 'distributed', 'matplotlib'} & set(sys.modules))"
    )
    command = (sys.executable, "-c", code, "search", "--epochs", "0", "--searches", str(tmp_path))
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    assert child.stdout == "2 set()\n"


def test_a_wrong_scheduler_is_one_line(data_file: Path, tmp_path: Path) -> None:
    """Before any trial, and without a report."""
    line = one_line(digits("search", "--data", data_file, "--searches", tmp_path, "--scheduler", "host"), 2)
    assert "scheduler is 'host', expected an address" in line
    assert not (tmp_path / "cnn" / "report.md").exists()
