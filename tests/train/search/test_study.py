"""A study's journal: finished trials are not repeated, interrupted ones are not lost, damage is reported."""

from itertools import islice
from pathlib import Path

import pytest

from edge_runtime.errors import DataError, DigitsError
from tests.train.search.conftest import outcome
from train.search.settings import Plan
from train.search.study import JOURNAL, Study, open_study


def _run(study: Study, total: int) -> None:
    """Run trials one after the other up to a total; each succeeds, with results that depend on its number."""
    for name, _config in study.proposals(total):
        number = int(name[1:])
        study.tell(name, outcome(number % 50, 5_000 - number, 3_000 + number))


@pytest.mark.parametrize("space", ["cnn", "mlp"])
def test_a_study_has_as_many_trials_as_were_asked_for(tmp_path: Path, plan: Plan, space: str) -> None:
    """All networks differ, and outcomes are stored; enough trials for the sampler to use them."""
    with open_study(tmp_path, Plan(**{**vars(plan), "space": space})) as study:
        _run(study, 14)
        trials = study.trials()
        assert list(study.proposals(14)) == []
    assert len({str(trial.network) for trial in trials}) == len(trials) == 14
    assert all(trial.outcome == outcome(trial.number % 50, 5_000 - trial.number, 3_000 + trial.number) for trial in trials)


def test_a_seed_gives_the_same_proposals(tmp_path: Path, plan: Plan) -> None:
    """With the same outcomes, also after the random proposals; another seed gives others."""
    networks = []
    for number, seed in enumerate((3, 3, 4)):
        with open_study(tmp_path / str(number), Plan(**{**vars(plan), "recipe": plan.recipe | {"seed": seed}})) as study:
            _run(study, 13)
            networks.append([trial.network for trial in study.trials()])
    assert networks[0] == networks[1] != networks[2]


def test_a_config_is_the_network_and_the_recipe(tmp_path: Path, plan: Plan) -> None:
    """The trained config is that of the stored network."""
    with open_study(tmp_path, plan) as study:
        ((name, config),) = islice(study.proposals(1), 1)
        trial = study.tell(name, outcome())
    assert config == plan.config(trial.network)
    assert (config.model, config.hidden, config.epochs, config.seed) == ("mlp", tuple(trial.network["hidden"]), 1, 3)
    assert (config.optimizer, config.augmentation is None) == ("adamw", False)


def test_a_study_goes_on_with_what_was_running(tmp_path: Path, plan: Plan) -> None:
    """Two trials were running at the kill: their networks are proposed first, with new numbers; finished trials stay."""
    with open_study(tmp_path, plan) as study:
        _run(study, 2)
        interrupted = dict(islice(study.proposals(9), 2))
        before = study.trials()
    with open_study(tmp_path, plan) as study:
        again = dict(islice(study.proposals(9), 2))
        for name in again:
            study.tell(name, outcome())
        _run(study, 6)
        after = study.trials()
    assert list(again.values()) == list(interrupted.values())
    assert not again.keys() & interrupted.keys()
    assert after[:2] == before
    assert len({trial.number for trial in after}) == len({str(trial.network) for trial in after}) == len(after) == 6


def test_an_outcome_counts_from_its_first_line_on(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill between outcome and state, the trial counts as finished."""
    with open_study(tmp_path, plan) as study:
        ((name, _),) = islice(study.proposals(1), 1)
        monkeypatch.setattr(study._study, "tell", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            study.tell(name, outcome(41))
        assert study.trials() == []
    with open_study(tmp_path, plan) as study:
        assert [trial.outcome for trial in study.trials()] == [outcome(41)]
        assert list(study.proposals(1)) == []


def test_a_trial_that_is_given_back_is_proposed_again(tmp_path: Path, plan: Plan) -> None:
    """It does not count as finished."""
    with open_study(tmp_path, plan) as study:
        ((name, config),) = islice(study.proposals(1), 1)
        study.requeue(name)
        assert study.trials() == []
        ((again, same),) = islice(study.proposals(1), 1)
    assert (again != name, same) == (True, config)


def test_a_trial_that_fails_has_ended(tmp_path: Path, plan: Plan) -> None:
    """The error is stored as one line, and the network is not tried again."""
    with open_study(tmp_path, plan) as study:
        ((name, _),) = islice(study.proposals(1), 1)
        study.tell(name, DigitsError("the loss became nan\nin epoch 1"))
    with open_study(tmp_path, plan) as study:
        (trial,) = study.trials()
        assert list(study.proposals(1)) == []
    assert (trial.name, trial.outcome, trial.error) == ("t0", None, "DigitsError: the loss became nan in epoch 1")


def test_a_space_that_is_used_up_ends_the_study(tmp_path: Path, plan: Plan) -> None:
    """With so few bytes there is a single network: it is run once, whatever the number of trials."""
    tiny = Plan(**{**vars(plan), "max_bytes": 3_240})
    with open_study(tmp_path, tiny) as study:
        _run(study, 5)
        assert [trial.network for trial in study.trials()] == [{"model": "mlp", "hidden": [4]}]


def test_a_study_is_open_once(tmp_path: Path, plan: Plan) -> None:
    """Two processes would use the same trial numbers."""
    with open_study(tmp_path, plan), pytest.raises(DigitsError, match="another process works on"), open_study(tmp_path, plan):
        pass


def test_what_a_killed_writer_left_is_cleared_away(tmp_path: Path, plan: Plan) -> None:
    """An incomplete line at the end of the journal, and the writer's lock."""
    with open_study(tmp_path, plan) as study:
        _run(study, 2)
        before = study.trials()
    (tmp_path / f"{JOURNAL}.lock").symlink_to(tmp_path / JOURNAL)
    with (tmp_path / JOURNAL).open("a") as journal:
        journal.write('{"op_code":8,"worker_id":"cut')
    with open_study(tmp_path, plan) as study:
        _run(study, 3)
        assert study.trials()[:2] == before
    with open_study(tmp_path, plan) as study:
        assert len(study.trials()) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda _line: "no JSON",
        lambda _line: "[]",
        lambda _line: "{}",
        lambda _line: '{"op_code": 99, "worker_id": ""}',
        lambda _line: "\x00\xff" * 20,
        lambda line: line[: len(line) // 2],
        lambda line: line.replace('"payload_bytes"', '"bytes"'),
        lambda line: line.replace('"payload_bytes":5000', '"payload_bytes":"5000"'),
        lambda line: line.replace("mlp", "forest"),
        lambda line: line.replace('"hidden":[', '"hidden":["'),
    ],
)
def test_a_damaged_journal_is_told_in_one_line(tmp_path: Path, plan: Plan, damage: object) -> None:
    """Whatever replaces the lines with a trial's network and outcome."""
    with open_study(tmp_path, plan) as study:
        _run(study, 1)
    path = tmp_path / JOURNAL
    lines = path.read_text().splitlines()
    changed = [damage(line) if '"outcome"' in line or '"network"' in line else line for line in lines]
    assert changed != lines
    path.write_text("\n".join(changed) + "\n")
    with pytest.raises(DataError, match=r"journal\.log: is damaged \(.+\); give another --name"), open_study(tmp_path, plan):
        pass
