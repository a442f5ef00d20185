"""The photo that every board classifies."""

import io

import PIL.Image
import pytest

from benchmarks.cli import SHIPPED
from benchmarks.runner.cases import REFERENCE_MODEL
from benchmarks.scenarios import photo
from edge_runtime import Classifier
from edge_runtime.model.model_file import read_model_file

DIGIT = read_model_file(REFERENCE_MODEL).golden().images[0]  # a 7


def test_the_photo_is_as_large_as_a_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    """12 megapixels in colour, a few megabytes; every shipped model reads it without a doubt."""
    monkeypatch.setattr(photo, "SIZE", (4032, 3024))
    content = photo.make_photo(DIGIT)
    with PIL.Image.open(io.BytesIO(content)) as opened:
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (4032, 3024))
    assert 2e6 < len(content) < 4e6
    for name in SHIPPED:
        with Classifier.load(name) as classifier:
            answer = classifier.classify_file(io.BytesIO(content))
        assert (answer.label, answer.warnings) == ("7", ())


def test_the_photo_is_the_same_each_time() -> None:
    """Byte for byte; another digit gives another one."""
    assert photo.make_photo(DIGIT) == photo.make_photo(DIGIT)
    assert photo.make_photo(DIGIT) != photo.make_photo(DIGIT.T.copy())
