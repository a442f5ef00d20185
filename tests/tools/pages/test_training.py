"""The tables of docs/results/training.md: recipes that differ in what their names say, and figures that come from the numbers."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.common.intervals import Accuracy, accuracy_of
from tools.pages.training import ablation_part, choices_part
from tools.studies.training import choices
from tools.studies.training.ablation import Ablation, Variant, variants_of
from train.config.config_file import read_config, release_config
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.loop.trainer import train_run
from train.runs.store import RECORD, read_record


def _accuracy(correct: int) -> Accuracy:
    return accuracy_of(np.arange(5_000) < correct, np.ones(5_000, bool))


def _variant(name: str, correct: tuple[int, ...], loss: tuple[float, ...], seconds: float = 60.0) -> Variant:
    return Variant(name, tuple(_accuracy(count) for count in correct), loss, (seconds,) * len(loss))


def _ablation(*variants: Variant) -> Ablation:
    return Ablation("nano", 8, (0, 1, 2), "Pi", variants)


def test_a_variant_changes_what_its_name_says_and_nothing_else() -> None:
    """By the fields in which its config differs from the first one's."""
    variants = variants_of(read_config(release_config("nano")))
    base = dataclasses.asdict(variants["the recipe without teachers"])
    changed = {
        name: {key for key, value in dataclasses.asdict(config).items() if value != base[key]} for name, config in variants.items()
    }
    assert changed == {
        "the recipe without teachers": set(),
        "with teachers": {"distillation"},
        "without augmentation": {"augmentation"},
        "with elastic augmentation too (0.5 pixels)": {"augmentation"},
        "elastic augmentation alone (0.5 pixels)": {"augmentation"},
        "constant learning rate, no warm-up": {"schedule", "warmup"},
        "Adam in place of AdamW": {"optimizer", "weight_decay"},
        "without weight averaging": {"averaging"},
        "without label smoothing": {"label_smoothing"},
        "without atrous": {"atrous"},
    }


def test_a_difference_is_of_pairs() -> None:
    """Seeds that differ much, and a change that is the same for each: its interval is narrow, and every figure is one of the numbers."""
    first = _variant("first", (4_950, 4_960, 4_970), (0.03, 0.02, 0.01))
    second = _variant("second", (4_960, 4_970, 4_980), (0.028, 0.018, 0.008), seconds=90)
    row = ablation_part(_ablation(first, second)).splitlines()[-1]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "second",
        "99.40 % (99.20 to 99.60)",
        "+0.20 (+0.20 to +0.20)",
        "0.0180",
        "-0.0020 (-0.0020 to -0.0020)",
        "90 s",
    ]


def test_differences_that_disagree_have_a_wide_interval() -> None:
    """Student's t of three: mean 0.2 points, deviation 0.2, so 0.2 +- 4.303 * 0.2 / sqrt(3)."""
    first = _variant("first", (4_950, 4_950, 4_950), (0.02, 0.02, 0.02))
    row = ablation_part(_ablation(first, _variant("second", (4_950, 4_960, 4_970), (0.02, 0.02, 0.02)))).splitlines()[-1]
    assert "+0.20 (-0.30 to +0.70)" in row
    assert "chance: none." in ablation_part(_ablation(first, _variant("second", (4_950,) * 3, (0.02, 0.03, 0.01))))
    assert "+0.0000 (+0.0000 to +0.0000)" in row


def test_trials_are_listed_by_model_best_first() -> None:
    """Least cross-entropy first; a trial that is of no released model isn't shown."""
    trials = tuple(
        choices.Trial(name, TrainingConfig("cnn", epochs=epochs), 7_842, _accuracy(4_950), loss, 60.0)
        for name, epochs, loss in (("base-a", 3, 0.02), ("nano-a", 4, 0.03), ("nano-b", 5, 0.01), ("other-a", 6, 0.01))
    )
    names = re.findall(r"^(?:### |\| )([a-z]+(?:-[a-z])?) ?(?=\||$)", choices_part(trials), re.MULTILINE)
    assert names == ["base", "trial", "base-a", "nano", "trial", "nano-b", "nano-a"]


@pytest.mark.slow
def test_finished_trials_are_added_to_those_that_are_kept(
    monkeypatch: pytest.MonkeyPatch, invented: Dataset, tmp_path: Path
) -> None:
    """A second folder adds to the first one's; a run that was stopped isn't a trial."""
    kept = tmp_path / "choices.json"
    monkeypatch.setattr(choices, "CHOICES", kept)
    monkeypatch.setattr(choices, "load_dataset", lambda: invented)
    config = TrainingConfig("linear", epochs=1)
    for name in ("a/nano-a", "b/nano-b", "b/nano-c"):
        train_run(config, invented, tmp_path / name, quiet=True)
    stopped = tmp_path / "b" / "nano-c" / RECORD
    stopped.write_text(stopped.read_text().replace('"epochs": 1', '"epochs": 2'))
    for folder in ("a", "b"):
        monkeypatch.setattr("sys.argv", ["choices", str(tmp_path / folder)])
        choices.main()
    assert [trial.name for trial in choices.read_trials()] == ["nano-a", "nano-b"]
    record = read_record(tmp_path / "a" / "nano-a" / RECORD)
    first = choices.read_trials()[0]
    assert (first.config, first.validation, first.parameters) == (config, record.validation, record.parameters)
    assert 0 < first.loss < 3
