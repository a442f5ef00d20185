"""Connected components, against scipy's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from edge_runtime.preprocessing.connected_components import find_components

MASKS = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda shape: arrays(bool, shape))
TOUCHING = np.ones((3, 3), int)


@given(mask=MASKS)
def test_parts_are_those_that_scipy_finds(mask: np.ndarray) -> None:
    """As many, with the same pixels, boxes, areas and sums; together they are the mask."""
    weight = np.random.default_rng(mask.size).uniform(0, 1, mask.shape)
    found = find_components(mask, weight)
    labels, count = ndimage.label(mask, TOUCHING)
    assert len(found) == count
    ours = [found.mask(np.array([number])) for number in range(count)]
    for number, part in enumerate(ours):
        (label,) = np.unique(labels[part])
        assert np.array_equal(part, labels == label)
        rows, columns = ndimage.find_objects(labels)[label - 1]
        assert found.boxes[number].tolist() == [rows.start, columns.start, rows.stop, columns.stop]
        assert found.areas[number] == part.sum()
        assert np.isclose(found.masses[number], weight[part].sum())
    assert np.array_equal(found.mask(np.arange(count)), mask)


def test_a_spiral_and_a_comb_are_one_part_each() -> None:
    """What hangs together only by a long way round."""
    comb = np.zeros((60, 61), bool)
    comb[:, ::2] = True
    assert len(find_components(comb, comb)) == 31
    comb[-1] = True
    assert len(find_components(comb, comb)) == 1
    spiral = np.zeros((41, 41), bool)
    row = column = 20
    for length in range(1, 20):
        for down, across in ((0, 1), (1, 0)) if length % 2 else ((0, -1), (-1, 0)):
            for _ in range(2 * length):
                if 0 <= row < 41 and 0 <= column < 41:
                    spiral[row, column] = True
                row, column = row + down, column + across
    assert ndimage.label(spiral, TOUCHING)[1] == len(find_components(spiral, spiral)) == 1


@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_a_noisy_mask_of_a_million_pixels_is_done_at_once(seed: int) -> None:
    """The worst case: a quarter of a million parts."""
    mask = np.random.default_rng(seed).uniform(size=(300, 400)) < 0.4
    assert len(find_components(mask, mask)) == ndimage.label(mask, TOUCHING)[1]
