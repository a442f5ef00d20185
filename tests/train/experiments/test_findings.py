"""Findings follow from the data: other data, other verdicts and texts."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.experiments.samples import IMAGES, invent_result, invent_results
from train.config.training_config import TrainingConfig
from train.experiments.contrasts import Verdict
from train.experiments.findings import Finding, epochs_needed, evaluate_claims, second_half_gain
from train.experiments.grid import Grid, key_of
from train.experiments.trial import TrialResult

GRID = Grid(hidden_layers=(0, 1, 2, 3), activations=("relu", "tanh"), seeds=(0, 1, 2, 3))
LAYERS, NEEDS, DIMINISH, EPOCHS, ACTIVATION = (
    "more hidden layers help",
    "deeper models need more epochs",
    "returns diminish",
    "more epochs help",
    "the activation matters",
)


def _saturating(config: TrainingConfig) -> float:
    return (92.0, 97.0, 98.0, 98.4)[len(config.hidden)]


def _found(results: dict[str, TrialResult]) -> dict[str, Finding]:
    return {finding.claim: finding for finding in evaluate_claims(list(results.values()))}


def _holds(results: dict[str, TrialResult]) -> dict[str, Verdict]:
    return {claim: finding.holds for claim, finding in _found(results).items()}


def test_a_grid_where_all_claims_hold() -> None:
    """Each layer gains less than the previous one, but gains; depth needs epochs; tanh is worse."""
    results = invent_results(
        GRID,
        lambda config: _saturating(config) - 0.5 * (config.activation == "tanh"),
        lambda config: 0.5 + 0.3 * len(config.hidden),
    )
    assert _holds(results) == dict.fromkeys((LAYERS, NEEDS, DIMINISH, EPOCHS, ACTIVATION), "yes")


def test_a_grid_where_none_holds() -> None:
    """The third layer costs accuracy, gains grow, deeper is faster, the last epochs bring nothing, activations are equal."""
    tops = (97.0, 97.1, 97.0, 98.9)
    results = invent_results(GRID, lambda config: tops[len(config.hidden)], lambda config: 0.5 - 0.12 * len(config.hidden))
    assert _holds(results) == dict.fromkeys((LAYERS, NEEDS, DIMINISH, EPOCHS, ACTIVATION), "no")


def test_seeds_that_are_far_apart_leave_it_undecided() -> None:
    """The same means with ten times the spread decide nothing."""
    results = {
        key_of(config): invent_result(
            config, 90 + 0.3 * len(config.hidden) + 3 * (-1) ** (config.seed + len(config.hidden) // 2), 1 + config.seed % 2
        )
        for config in GRID.cells
    }
    holds = _holds(results)
    assert [holds[claim] for claim in (LAYERS, NEEDS, DIMINISH, ACTIVATION)] == ["undecided"] * 4


def test_a_single_seed_decides_nothing() -> None:
    """There are values without intervals, and the text says so."""
    found = _found(invent_results(replace(GRID, seeds=(0,)), _saturating))
    assert {finding.holds for finding in found.values()} == {"undecided"}
    assert "0 to 1 layers +4.88" in found[LAYERS].evidence
    assert "a single seed has no interval" in found[LAYERS].evidence


@pytest.mark.parametrize(
    ("grid", "undecided"),
    [
        (replace(GRID, hidden_layers=(2,)), (LAYERS, NEEDS, DIMINISH)),
        (replace(GRID, hidden_layers=(1, 2)), (DIMINISH,)),
        (replace(GRID, hidden_layers=(0,)), (LAYERS, NEEDS, DIMINISH, ACTIVATION)),
        (replace(GRID, activations=("relu",)), (ACTIVATION,)),
        (replace(GRID, epochs=(1,)), (EPOCHS,)),
    ],
)
def test_what_a_grid_does_not_ask_it_does_not_answer(grid: Grid, undecided: tuple[str, ...]) -> None:
    """A claim without cells for it is undecided, and the evidence says what is missing."""
    found = _found(invent_results(grid, _saturating))
    for claim in undecided:
        assert found[claim].holds == "undecided"
        assert "tried" in found[claim].evidence or "trained" in found[claim].evidence


def test_no_cells_no_findings() -> None:
    """An experiment whose cells all failed has no findings."""
    assert evaluate_claims([]) == ()


def test_sentences_change_with_the_numbers() -> None:
    """One point more for two layers changes every text about layers."""
    before = _found(invent_results(GRID, _saturating))
    after = _found(invent_results(GRID, lambda config: _saturating(config) - (len(config.hidden) == 3)))
    assert "2 to 3 layers +0.40" in before[LAYERS].evidence
    assert "2 to 3 layers -0.60" in after[LAYERS].evidence
    assert (before[LAYERS].holds, after[LAYERS].holds) == ("yes", "no")
    assert before[DIMINISH].evidence != after[DIMINISH].evidence
    assert before[NEEDS].evidence == after[NEEDS].evidence  # curves end elsewhere, but are of the same shape


def test_a_missing_cell_leaves_its_setting_out_of_both_sides() -> None:
    """Without relu networks of 2 layers, steps from and to 2 layers use tanh only."""
    results = invent_results(GRID, lambda config: _saturating(config) - 3 * (config.activation == "relu"))
    without = {key: result for key, result in results.items() if not key.startswith("relu-2x")}
    evidence = _found(without)[LAYERS].evidence
    assert "1 to 2 layers +1.00" in evidence
    assert "2 to 3 layers +0.40" in evidence


@pytest.mark.parametrize(
    ("curve", "expected"), [((90, 95, 97.9, 98), 3), ((98, 97, 96, 95), 1), ((10, 20, 30, 40), 4), ((97.75, 98, 98, 98), 1)]
)
def test_epochs_needed_are_those_until_near_the_best(curve: tuple[float, ...], expected: int) -> None:
    """Within a quarter of a point of the run's best, wherever that is."""
    result = _with_curve(curve)
    assert epochs_needed(result) == expected


def test_the_second_half_is_what_came_after_the_middle() -> None:
    """The middle of five epochs is after two."""
    assert second_half_gain(_with_curve((90, 95, 97, 97, 98))) == pytest.approx(3)


def test_a_shared_network_without_layers_counts_once() -> None:
    """Its variance is not divided by the number of activations it is compared with."""
    wide = {
        key: result if result.config.hidden else invent_result(result.config, 92 + 2 * (-1) ** result.config.seed)
        for key, result in invent_results(GRID, _saturating).items()
    }
    # Four seeds with a standard deviation of 2.31 points: half a 95 % interval of their mean is 3.67, of three Bonferroni ones 5.6.
    assert "0 to 1 layers +5.00" in _found(wide)[LAYERS].evidence
    assert _found(wide)[LAYERS].holds == "undecided"


CELLS = st.lists(st.integers(0, IMAGES), min_size=len(GRID.cells), max_size=len(GRID.cells))


@settings(max_examples=25)
@given(CELLS, st.randoms())
def test_the_order_of_cells_and_the_names_of_seeds_do_not_matter(correct: list[int], random: object) -> None:
    """Shuffled cells and renamed seeds give identical findings."""
    results = [invent_result(config, 100 * count / IMAGES) for config, count in zip(GRID.cells, correct, strict=True)]
    shuffled = [replace(result, config=replace(result.config, seed=7 * (3 - result.config.seed))) for result in results]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert evaluate_claims(shuffled) == evaluate_claims(results)


@settings(max_examples=25)
@given(st.lists(st.integers(1_000, 3_000), min_size=len(GRID.cells), max_size=len(GRID.cells)), st.integers(-900, 900))
def test_accuracy_that_is_higher_for_all_changes_nothing_about_layers(correct: list[int], more: int) -> None:
    """Findings on final accuracy depend on differences only."""
    one = [invent_result(config, 100 * count / IMAGES) for config, count in zip(GRID.cells, correct, strict=True)]
    two = [invent_result(config, 100 * (count + more) / IMAGES) for config, count in zip(GRID.cells, correct, strict=True)]
    for first, second in zip(evaluate_claims(one), evaluate_claims(two), strict=True):
        if first.claim in (LAYERS, DIMINISH, ACTIVATION):
            assert first.holds == second.holds


def _with_curve(curve: tuple[float, ...]) -> TrialResult:
    config = TrainingConfig("mlp", hidden=(8,), epochs=len(curve))
    result = invent_result(config, 98)
    history = tuple(replace(epoch, val_accuracy=percent / 100) for epoch, percent in zip(result.history, curve, strict=True))
    return replace(result, history=history)
