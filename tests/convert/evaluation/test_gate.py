"""The statistics of the gate, against independent computations."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from convert.evaluation.gate import (
    Limits,
    class_drop_intervals,
    compare,
    images_to_prove,
    judge,
    mcnemar_p,
    provable_drop,
    sample_size,
    tango_interval,
)
from edge_runtime.common.intervals import Accuracy, accuracy_of, wilson_interval
from edge_runtime.errors import BadArgument
from edge_runtime.model.manifest import Comparison

COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5_000)).filter(lambda found: sum(found) > 0)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_exact_sign_test(lost: int, gained: int) -> None:
    """The two-sided p by exact fractions: twice the smaller tail of a fair coin, at most 1."""
    total = lost + gained
    tail = sum(Fraction(comb(total, heads), 2**total) for heads in range(min(lost, gained) + 1))
    assert mcnemar_p(lost, gained) == pytest.approx(float(min(Fraction(1), 2 * tail)))


def _restricted_score(delta: float, lost: int, gained: int, total: int) -> float:
    """Tango's statistic by its definition: the nuisance parameter found by maximising the likelihood numerically."""

    def minus_log_likelihood(q: float) -> float:
        both = 1 - 2 * q - delta
        return -(
            lost * np.log(max(q + delta, 1e-300))
            + gained * np.log(max(q, 1e-300))
            + (total - lost - gained) * np.log(max(both, 1e-300))
        )

    low, high = max(0.0, -delta), (1 - delta) / 2
    q = minimize_scalar(minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return float((lost - gained - total * delta) / np.sqrt(total * (2 * q + delta * (1 - delta))))


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(100, 5_000))
def test_tangos_bounds_are_where_the_score_is_the_quantile(lost: int, gained: int, rest: int) -> None:
    """At either bound the numerically restricted score statistic is the 97.5 % quantile of the normal distribution."""
    total = lost + gained + rest
    for bound, expected in zip(tango_interval(lost, gained, total), (1, -1), strict=True):
        assert _restricted_score(bound, lost, gained, total) == pytest.approx(expected * norm.ppf(0.975), abs=2e-2)


@given(COUNTS)
def test_the_interval_holds_the_drop_and_mirrors(counts: tuple[int, int, int]) -> None:
    """It contains the observed drop, lies within -1 to 1, and swapping lost and gained mirrors it."""
    lost, gained, rest = counts
    total = lost + gained + rest
    low, high = tango_interval(lost, gained, total)
    assert -1 <= low <= (lost - gained) / total <= high <= 1
    mirrored = tango_interval(gained, lost, total)
    assert (-high, -low) == (pytest.approx(mirrored[0], abs=1e-9), pytest.approx(mirrored[1], abs=1e-9))


@pytest.mark.parametrize(
    ("lost", "gained", "total", "interval", "p"),
    [(1, 7, 21, (-0.517, -0.026), 0.070), (6, 16, 161, (-0.1240, -0.0054), 0.052479)],
    ids=["Bentur 2009", "Cavo 2012"],
)
def test_published_tables_give_what_was_published(
    lost: int, gained: int, total: int, interval: tuple[float, float], p: float
) -> None:
    """Two clinical studies as M. W. Fagerland, S. Lydersen and P. Laake analyse them, to the digits that they and their R package give."""
    digits = 3 if total == 21 else 4
    assert tuple(round(bound, digits) for bound in tango_interval(lost, gained, total)) == interval
    assert round(mcnemar_p(lost, gained), 3 if total == 21 else 6) == p


@pytest.mark.parametrize("level", [0.1, 0.5, 0.95, 0.995])
def test_without_any_change_the_interval_is_not_empty(level: float) -> None:
    """No discordant image of 10,000 still leaves z squared / (n + z squared): at 95 %, 0.038 points on either side."""
    z2 = norm.ppf((1 + level) / 2) ** 2
    low, high = tango_interval(0, 0, 10_000, level)
    assert high == pytest.approx(z2 / (10_000 + z2))
    assert low == pytest.approx(-high)


def test_the_interval_covers_what_it_claims() -> None:
    """Of 4,000 simulated comparisons with 12 expected discordant images, 93 to 97 % hold the true drop."""
    generator = np.random.RandomState(7)
    total, lose, gain = 2_000, 0.004, 0.002
    counts = generator.multinomial(total, [lose, gain, 1 - lose - gain], 4_000)
    known: dict[tuple[int, int], bool] = {}
    for lost, gained, _ in counts:
        low, high = tango_interval(int(lost), int(gained), total)
        known[lost, gained] = low <= lose - gain <= high
    covered = np.mean([known[lost, gained] for lost, gained, _ in counts])
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("counts", [(-1, 0, 10), (0, -1, 10), (6, 5, 10), (0, 0, 0)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int]) -> None:
    """Negative counts, more discordant images than images, or no images raise."""
    with pytest.raises(ValueError, match="lost and"):
        tango_interval(*counts)


@given(st.integers(1, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilsons_interval_is_scipys(counts: tuple[int, int]) -> None:
    """The closed form equals the library's."""
    from scipy.stats import binomtest

    expected = binomtest(*counts).proportion_ci(method="wilson")
    assert wilson_interval(*counts) == (pytest.approx(100 * expected.low, abs=1e-9), pytest.approx(100 * expected.high, abs=1e-9))


LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
FLOAT = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 0])
SMALL = np.array([0, 0, 1, 0, 1, 1, 0, 0, 2, 0])


def test_a_comparison_counts_pairs() -> None:
    """On ten images by hand: 8 and 6 right, three lost, one gained, and the drop of each class."""
    found = compare("test", LABELS, FLOAT, SMALL)
    assert (found.reference.correct, found.candidate.correct, found.agreeing) == (8, 6, 6)
    assert (found.lost, found.gained, found.drop) == (3, 1, pytest.approx(20.0))
    assert found.mcnemar_p == pytest.approx(0.625)
    assert found.class_drops == (0.0, 50.0, 0.0)
    assert found.drop_interval == tuple(100 * bound for bound in tango_interval(3, 1, 10))


def test_intervals_of_classes_hold_at_once() -> None:
    """Each class has Tango's interval at the level 1 - 0.05 / 3; a class without images has -100 to 100."""
    expected = [
        [100 * bound for bound in tango_interval(*pairs, level=1 - 0.05 / 3)] for pairs in ((1, 1, 4), (2, 0, 4), (0, 0, 2))
    ]
    assert class_drop_intervals(LABELS, FLOAT, SMALL) == tuple(map(pytest.approx, expected))
    assert class_drop_intervals(np.array([1]), np.array([1]), np.array([1]))[0] == (-100.0, 100.0)


def test_the_drop_of_a_class_is_of_its_own_images() -> None:
    """The only image of a class is 100 %; a class without images has no drop."""
    found = compare("test", np.array([0, 0, 2]), np.array([0, 0, 2]), np.array([0, 0, 0]))
    assert found.class_drops == (0.0, 0.0, 100.0)


@pytest.mark.parametrize(("max_drop", "passed"), [(0.5, True), (0.04, True), (0.03, False), (0.0, False)])
def test_the_gate_looks_at_the_upper_bound(max_drop: float, passed: bool) -> None:
    """With no drop on 10,000 images the bound is 0.038 points; a smaller limit fails."""
    labels = np.arange(10_000) % 10
    verdict = judge(compare("test", labels, labels, labels), Limits(max_drop))
    assert verdict.passed is passed
    assert verdict.reason.startswith("the drop on test is at most 0.04 points (95 % interval), ")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(5.0, 97.0, 95.0), None),
        (Limits(5.0, 98.5), "the accuracy on test is at least 97.17 % (95 % interval), 98.5 demanded"),
        (Limits(5.0, None, 98.5), "the agreement on test is at least 97.17 % (95 % interval), 98.5 demanded"),
        (
            Limits(1.0, 99.0, 90.0),
            "the drop on test is at most 2.83 points (95 % interval), 1 were allowed; the accuracy on test is at",
        ),
    ],
)
def test_every_limit_has_to_be_proven_and_a_refusal_names_those_that_are_not(limits: Limits, message: str | None) -> None:
    """18 of 1,000 images lost: 98.2 %, of which the lower end of Wilson's interval is 97.17."""
    labels = np.zeros(1_000, int)
    verdict = judge(compare("test", labels, labels, np.where(np.arange(1_000) < 18, 1, 0)), limits)
    assert verdict.passed is (message is None)
    assert message is None or verdict.reason.startswith(message)
    assert verdict.max_drop == limits.max_drop


def test_a_limit_that_is_just_kept_is_kept() -> None:
    """Ends of intervals may equal the limits; a pass states all figures and limits."""
    found = Comparison("test", accuracy_of(LABELS, LABELS), Accuracy(9, 10, (80.0, 95.0)), 9, 1, 0, 1.0, 10.0, (0.0, 12.5), ())
    least = wilson_interval(9, 10)[0]
    verdict = judge(found, Limits(12.5, 80.0, least))
    assert verdict.passed
    assert verdict.reason == (
        "the drop on test is at most 12.50 points (95 % interval), 12.5 are allowed; "
        "the accuracy on test is at least 80.00 % (95 % interval), 80 demanded; "
        "the agreement on test is at least 59.58 % (95 % interval), 59.585 demanded"
    )
    assert not judge(found, Limits(12.5, 80.0, np.nextafter(least, 100))).passed
    assert not judge(found, Limits(12.5, np.nextafter(80, 100))).passed
    refused = judge(found, Limits(np.nextafter(12.5, 0), 80.0))
    assert (refused.passed, refused.reason) == (
        False,
        "the drop on test is at most 12.50 points (95 % interval), 12.5 were allowed",
    )


@given(st.floats(0.01, 50))
def test_so_many_images_prove_a_drop_and_one_fewer_does_not(points: float) -> None:
    """By Tango's interval without a changed image: 765 for half a point."""
    images = images_to_prove(points)
    assert 100 * tango_interval(0, 0, images)[1] <= points * (1 + 1e-6)
    assert images == 1 or 100 * tango_interval(0, 0, images - 1)[1] > points * (1 - 1e-6)
    assert images_to_prove(0.5) == 765


@pytest.mark.parametrize(("lost", "passed"), [(0, True), (1, False)])
@pytest.mark.parametrize("images", [10, 500, 764])
def test_by_default_few_images_have_to_prove_what_they_can(images: int, lost: int, passed: bool) -> None:
    """Below 765 images, a file passes if none is lost; the reason says how many images half a point takes."""
    labels = np.zeros(images, int)
    verdict = judge(compare("test", labels, labels, np.where(np.arange(images) < lost, 1, 0)), Limits())
    assert verdict.passed is passed
    assert verdict.max_drop == provable_drop(images) > 0.5
    assert verdict.reason.endswith(f" ({images:,} images prove no less than {verdict.max_drop:g}, 0.5 takes 765)")


def test_by_default_half_a_point_is_allowed() -> None:
    """From 765 images on, and no more than that."""
    labels = np.zeros(765, int)
    verdict = judge(compare("test", labels, labels, labels), Limits())
    assert (verdict.passed, verdict.max_drop) == (True, 0.5)
    assert verdict.reason.endswith(", 0.5 are allowed")


def test_a_limit_that_was_asked_for_is_not_relaxed() -> None:
    """It is refused where the images are too few."""
    labels = np.zeros(200, int)
    assert not judge(compare("test", labels, labels, labels), Limits(0.1)).passed
    assert sample_size(200, 0.1) == "200 images prove no less than 1.89, 0.1 takes 3,838"
    assert sample_size(200, 0) == "200 images prove no less than 1.89"
    assert sample_size(200, 1.89) == ""


def test_limits_that_images_can_prove() -> None:
    """A model without a mistake holds them, however few the images are; limits that can be proven stay."""
    labels = np.zeros(20, int)
    assert judge(compare("validation", labels, labels, labels), Limits(0, 100, 100).provable(20)).passed
    assert Limits(90, 10, 10).provable(20) == Limits(90, 10, 10)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"max_drop": -1.0}, "max_drop"),
        ({"max_drop": np.nextafter(100, 101)}, "max_drop"),
        ({"min_accuracy": 101.0}, "min_accuracy"),
        ({"min_agreement": float("nan")}, "min_agreement"),
    ],
)
def test_limits_that_cannot_be_are_refused(limits: dict[str, float], name: str) -> None:
    """Points and percents must be 0 to 100, inclusive."""
    (value,) = limits.values()
    with pytest.raises(BadArgument, match=f"^{name} is {value}, expected 0 to 100$"):
        Limits(**limits)
    assert Limits(0, 0, 0) != Limits(100, 100, 100)


@pytest.mark.parametrize("discordant", [4, 8, 20])
def test_coverage_from_four_expected_discordant_images_up(discordant: int) -> None:
    """Of 4,000 simulated comparisons on 10,000 images, 93 to 97 % of the intervals hold the true drop."""
    generator = np.random.RandomState(discordant)
    total = 10_000
    lose, gain = 0.7 * discordant / total, 0.3 * discordant / total
    covered, known = 0, dict[tuple[int, int], bool]()
    for lost, gained, _ in generator.multinomial(total, [lose, gain, 1 - lose - gain], 4_000):
        if (lost, gained) not in known:
            low, high = tango_interval(int(lost), int(gained), total)
            known[lost, gained] = low <= lose - gain <= high
        covered += known[lost, gained]
    assert 0.93 <= covered / 4_000 <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("discordant", [0.5, 1, 2])
def test_below_that_it_is_never_narrower(discordant: float) -> None:
    """The joint interval may be wider than nominal, not narrower."""
    generator = np.random.RandomState(1)
    total = 10_000
    lose, gain = 0.7 * discordant / total, 0.3 * discordant / total
    counts = generator.multinomial(total, [lose, gain, 1 - lose - gain], 4_000)
    held = [
        low <= lose - gain <= high for low, high in (tango_interval(int(lost), int(gained), total) for lost, gained, _ in counts)
    ]
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize(("predicted", "labels"), [(np.zeros(3), np.zeros(4)), (np.zeros(0), np.zeros(0))])
def test_accuracy_of_nothing_is_refused(predicted: np.ndarray, labels: np.ndarray) -> None:
    """No images, or fewer predictions than labels, raise ValueError."""
    with pytest.raises(ValueError, match="predictions for"):
        accuracy_of(predicted, labels)
