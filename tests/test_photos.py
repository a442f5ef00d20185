"""The generator of photos keeps its promises: what is measured with it depends on that."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from tests.photos import INKS, NOISE, PAPERS, SIZES, _light, _paper_lines, _place_ink, draw_text, invent_scene, photograph
from train.data import Dataset


def test_scenes_are_as_hard_as_they_should_be() -> None:
    """Light varies at least 2:1, digits are 5 to 60 % of the height, turned up to 10 degrees, blurred up to 2 pixels; each kind occurs."""
    scenes = [invent_scene(seed) for seed in range(240)]
    assert {(scene.paper, scene.ink) for scene in scenes} == {(paper, ink) for paper in PAPERS for ink in INKS}
    for low, high in SIZES:
        assert sum(low <= scene.size < high for scene in scenes) == 60
    assert min(scene.size for scene in scenes) < 0.06
    assert max(scene.size for scene in scenes) > 0.58
    assert all(2 <= scene.light_ratio <= 3 and abs(scene.angle) <= 10 and 0 <= scene.blur <= 2 for scene in scenes)
    assert max(abs(scene.angle) for scene in scenes) > 9
    assert max(scene.blur for scene in scenes) > 1.9
    assert invent_scene(5) == scenes[5]


@pytest.mark.parametrize("seed", [0, 1, 2, 9])
def test_light_and_size_are_those_of_the_scene(seed: int, mnist: Dataset) -> None:
    """In the pixels too."""
    scene = invent_scene(seed)
    light = _light(scene)
    assert light.max() / light.min() == pytest.approx(scene.light_ratio, rel=0.01)
    ink = _place_ink(mnist.validation.images[seed], scene)
    rows, columns = np.flatnonzero((ink > 0.4).any(axis=1)), np.flatnonzero((ink > 0.4).any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(scene.size * scene.height, rel=0.15, abs=3)
    assert (_paper_lines(scene).max() > 0) == (scene.paper != "plain")


def test_a_photo_is_noisy_and_the_same_for_the_same_seed(mnist: Dataset) -> None:
    """Noise of sigma 10; the digit is drawn on it."""
    scene = invent_scene(0)
    photo = photograph(mnist.validation.images[0], scene)
    assert (photo.shape, photo.dtype) == ((scene.height, scene.width), np.uint8)
    assert np.array_equal(photo, photograph(mnist.validation.images[0], scene))
    corner = photo[-40:, -40:].astype(float)
    assert np.diff(corner, axis=1).std() / np.sqrt(2) == pytest.approx(NOISE, rel=0.1)


def test_text_is_cropped_to_its_ink() -> None:
    """Whatever its font's margins are."""
    glyph = draw_text("7", str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"))
    assert all(side.any() for side in (glyph[0], glyph[-1], glyph[:, 0], glyph[:, -1]))
