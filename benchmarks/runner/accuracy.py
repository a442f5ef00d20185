"""The accuracy that a model file states: proven at its conversion, and taken where no data set is at hand."""

from collections.abc import Sequence

from benchmarks.results.results import OURS as OUR_WAY
from benchmarks.runner.cases import Case
from edge_runtime.common.intervals import Accuracy

SPLIT = "test"


def stated_accuracy(case: Case) -> Accuracy | None:
    """The accuracy on test images in the manifest of a case of our classifier; None for a plain file, and for other packages."""
    manifest = case.model.manifest if case.way == OUR_WAY else None
    return next((found.candidate for found in manifest.accuracy if found.split == SPLIT), None) if manifest else None


def images_of(case: Case) -> str:
    """The hash of the data set of a stated accuracy."""
    assert case.model.manifest
    return case.model.manifest.origin.data_sha256


def stated_images(cases: Sequence[Case]) -> str:
    """The data set whose accuracies a run states: that of the first case that states one. Accuracies of others cannot stand beside them."""
    return next((images_of(case) for case in cases if stated_accuracy(case)), "")
