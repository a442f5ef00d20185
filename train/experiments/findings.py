"""Findings: tests of fixed claims about an experiment's results, with their evidence.

All values are for validation images. Intervals are over seeds with the same images, so they do not include the variation between images.
Contrasts compare matched settings, which differ in the tested factor only.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from statistics import fmean

from train.experiments.contrasts import Estimate, Verdict, all_of, any_of, contrast, verdict
from train.experiments.grid import Setting, setting_of
from train.experiments.trial import TrialResult

CONVERGENCE_MARGIN = 0.25  # percentage points below a run's best accuracy at which it counts as converged
EQUIVALENCE_MARGIN = 0.1  # percentage points: smaller differences count as none
EQUIVALENCE_MARGIN_EPOCHS = 0.1  # epochs per layer, likewise
_INTERVALS = "95 % intervals over seeds (Welch and Satterthwaite)"

Groups = Mapping[Setting, Sequence[float]]
Weights = Mapping[Setting, float]


@dataclass(frozen=True)
class Finding:
    """A claim, its verdict, the evidence, and the method of the test."""

    claim: str
    holds: Verdict
    evidence: str
    method: str


def evaluate_claims(results: Sequence[TrialResult]) -> tuple[Finding, ...]:
    """Test all claims about layers, epochs and activations; the order of results does not matter."""
    if not results:
        return ()
    accuracy = _grouped(results, lambda result: result.validation.percent)
    step = 100 / results[0].validation.total
    late = sum(result.history[-1].val_accuracy == max(epoch.val_accuracy for epoch in result.history) for result in results)
    return (
        _test_layers_help(accuracy, step),
        _test_depth_needs_epochs(_grouped(results, epochs_needed), f"{late} of {len(results)}"),
        _test_returns_diminish(accuracy, step),
        _test_epochs_help(_grouped([result for result in results if result.config.epochs > 1], second_half_gain), step),
        _test_activation_matters(accuracy, step),
    )


def epochs_needed(result: TrialResult) -> float:
    """The first epoch with a validation accuracy within `CONVERGENCE_MARGIN` points of the run's best."""
    best = max(epoch.val_accuracy for epoch in result.history)
    return next(epoch.epoch for epoch in result.history if epoch.val_accuracy >= best - CONVERGENCE_MARGIN / 100)


def second_half_gain(result: TrialResult) -> float:
    """Gain of validation accuracy in the second half of the epochs, in percentage points."""
    half, whole = (result.history[epochs - 1].val_accuracy for epochs in (len(result.history) // 2, len(result.history)))
    return 100 * (whole - half)


def _test_layers_help(groups: Groups, step: float) -> Finding:
    steps = _steps(groups)
    gains = {depths: contrast(groups, weights, step, len(steps)) for depths, weights in steps.items()}
    hidden = {setting: figures for setting, figures in groups.items() if setting.hidden_layers}
    slopes = _by_activation({family: _slope(hidden, family) for family in _families(hidden)})
    each = {name: contrast(hidden, weights, step, len(slopes)) for name, weights in slopes.items()}
    beyond = f"; beyond the first, by activation, on average {_format_estimates(each)}" if each else ""
    return Finding(
        "more hidden layers help",
        all_of([verdict(gain, EQUIVALENCE_MARGIN) for gain in gains.values()]),
        f"gain per additional layer, in points of accuracy: {_format_estimates(gains)}{beyond}"
        if gains
        else "only one depth was tried",
        f"mean over settings that differ in depth only; {_INTERVALS}, Bonferroni over {len(gains)}; yes if every step gains,"
        f" no if one gains less than {EQUIVALENCE_MARGIN} points; by activation the slope against layers, Bonferroni over"
        f" {len(each)}",
    )


def _test_returns_diminish(groups: Groups, step: float) -> Finding:
    steps = _steps(groups)
    claim = "returns diminish"
    method = (
        "gain per layer of the first step minus that of the last step;"
        f" {_INTERVALS}; no if it is less than {EQUIVALENCE_MARGIN} points"
    )
    if len(steps) < 2:
        return Finding(claim, "undecided", "fewer than three depths were tried", method)
    names = list(steps)
    fall = contrast(groups, _sum([(1.0, steps[names[0]]), (-1.0, steps[names[-1]])]), step)
    gains = {name: contrast(groups, steps[name], step) for name in (names[0], names[-1])}
    falls = f"it falls by {_format_estimate(fall, sign='')}"
    evidence = f"gain per additional layer, in points of accuracy: {_format_estimates(gains)}; {falls}"
    return Finding(claim, verdict(fall, EQUIVALENCE_MARGIN), evidence, method)


def _test_depth_needs_epochs(groups: Groups, late: str) -> Finding:
    claim = "deeper models need more epochs"
    method = (
        f"first epoch within {CONVERGENCE_MARGIN} points of the run's best accuracy; slope of its mean against the number of"
        f" layers, over settings that differ in depth only; {_INTERVALS}, by activation with Bonferroni; no if the slope is less"
        f" than {EQUIVALENCE_MARGIN_EPOCHS} epochs"
    )
    slopes = {family: weights for family in _families(groups) if (weights := _slope(groups, family))}
    if not slopes:
        return Finding(claim, "undecided", "only one depth was tried", method)
    every = contrast(groups, _mean(slopes.values()), 1.0)
    kinds = _by_activation(slopes)
    each = {kind: contrast(groups, weights, 1.0, len(kinds)) for kind, weights in kinds.items()}
    depths = sorted({setting.hidden_layers for setting in groups})
    needs = ", ".join(f"{depth}: {fmean(fmean(groups[at]) for at in groups if at.hidden_layers == depth):.1f}" for depth in depths)
    evidence = (
        f"epochs needed by number of layers {needs}; {_format_estimate(every)} per layer ({_format_estimates(each)});"
        f" in {late} trainings the last epoch was the best, so that more epochs may be needed"
    )
    return Finding(claim, verdict(every, EQUIVALENCE_MARGIN_EPOCHS), evidence, method)


def _test_epochs_help(groups: Groups, step: float) -> Finding:
    claim = "more epochs help"
    method = (
        f"accuracy after all epochs less that after half of them, mean over settings; {_INTERVALS}; no if it is less than"
        f" {EQUIVALENCE_MARGIN} points"
    )
    if not groups:
        return Finding(claim, "undecided", "only one epoch was trained", method)
    gain = contrast(groups, {setting: 1 / len(groups) for setting in groups}, step)
    return Finding(
        claim,
        verdict(gain, EQUIVALENCE_MARGIN),
        f"the second half of the epochs brought {_format_estimate(gain)} points of accuracy",
        method,
    )


def _test_activation_matters(groups: Groups, step: float) -> Finding:
    pairs = {names: weights for names in combinations(_activations(groups), 2) if (weights := _between(groups, *names))}
    gains = {f"{first} over {second}": contrast(groups, pairs[first, second], step, len(pairs)) for first, second in pairs}
    return Finding(
        "the activation matters",
        any_of([_differs(gain) for gain in gains.values()]),
        f"differences in points of accuracy: {_format_estimates(gains)}" if gains else "fewer than two activations were tried",
        f"mean over settings that differ in the activation only; {_INTERVALS}, Bonferroni over {len(gains)}; yes if any two"
        f" differ, no if none differ by {EQUIVALENCE_MARGIN} points",
    )


def _differs(gain: Estimate) -> Verdict:
    """Two-sided test: "yes" if the interval excludes 0, "no" if it is within `EQUIVALENCE_MARGIN` of 0."""
    sides = (verdict(gain, EQUIVALENCE_MARGIN), verdict(-gain, EQUIVALENCE_MARGIN))
    return any_of(sides)


def _grouped(results: Sequence[TrialResult], figure: Callable[[TrialResult], float]) -> dict[Setting, list[float]]:
    groups = defaultdict(list)
    for result in results:
        groups[setting_of(result.config)].append(figure(result))
    return {setting: sorted(groups[setting]) for setting in sorted(groups)}  # so that sums do not depend on the order of results


def _steps(groups: Groups) -> dict[str, Weights]:
    """Contrasts between neighbouring depths: the gain per layer."""
    depths = sorted({setting.hidden_layers for setting in groups})
    steps = {}
    for low, high in pairwise(depths):
        pairs = [(deep, _at_depth(deep, low)) for deep in groups if deep.hidden_layers == high and _at_depth(deep, low) in groups]
        if pairs:
            steps[f"{low} to {high} layers"] = _mean(
                [{deep: 1 / (high - low), shallow: -1 / (high - low)} for deep, shallow in pairs]
            )
    return steps


def _slope(groups: Groups, family: Setting) -> Weights:
    """Contrast of the least-squares slope against the number of layers; empty for a single depth."""
    members = [
        setting for depth in {setting.hidden_layers for setting in groups} if (setting := _at_depth(family, depth)) in groups
    ]
    middle = fmean(setting.hidden_layers for setting in members)
    squares = sum((setting.hidden_layers - middle) ** 2 for setting in members)
    return {setting: (setting.hidden_layers - middle) / squares for setting in sorted(members)} if squares else {}


def _by_activation(slopes: Mapping[Setting, Weights]) -> dict[str, Weights]:
    """Mean contrast over the families of each activation."""
    kinds = sorted({family.activation for family, weights in slopes.items() if weights})
    return {kind: _mean([weights for family, weights in slopes.items() if weights and family.activation == kind]) for kind in kinds}


def _between(groups: Groups, first: str, second: str) -> Weights:
    """Contrast of two activations over matched settings; empty if there are none."""
    pairs = [(setting, replace(setting, activation=second)) for setting in groups if setting.activation == first]
    return _mean([{left: 1.0, right: -1.0} for left, right in pairs if right in groups])


def _at_depth(setting: Setting, depth: int) -> Setting:
    """The setting with another number of layers."""
    return replace(setting, hidden_layers=depth) if depth else replace(setting, hidden_layers=0, units=0, activation="")


def _families(groups: Groups) -> list[Setting]:
    """One representative of each group of settings that differ in depth only."""
    return sorted({replace(setting, hidden_layers=1) for setting in groups if setting.hidden_layers})


def _activations(groups: Groups) -> list[str]:
    return sorted({setting.activation for setting in groups if setting.activation})


def _mean(parts: Iterable[Weights]) -> Weights:
    every = list(parts)
    return _sum([(1 / len(every), weights) for weights in every]) if every else {}


def _sum(terms: Sequence[tuple[float, Weights]]) -> Weights:
    total: dict[Setting, float] = defaultdict(float)
    for factor, weights in terms:
        for setting, weight in weights.items():
            total[setting] += factor * weight
    return {setting: total[setting] for setting in sorted(total)}


def _format_estimates(estimates: Mapping[str, Estimate]) -> str:
    return "; ".join(f"{name} {_format_estimate(estimate)}" for name, estimate in estimates.items())


def _format_estimate(estimate: Estimate, sign: str = "+") -> str:
    """Such as "+0.31 (+0.20 to +0.42)"."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:{sign}.2f} (a single seed has no interval)"
    return f"{estimate.value:{sign}.2f} ({estimate.low:{sign}.2f} to {estimate.high:{sign}.2f})"
