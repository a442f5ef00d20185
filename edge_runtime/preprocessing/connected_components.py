"""Connected components of a mask, by run-length encoding, with numpy alone."""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass


@frozen_dataclass
class Components:
    """The 8-connected components of a mask. N may be 0.

    boxes: int64 [N, 4], top, left, bottom, right; bottom and right are exclusive. masses: float64 [N], sums of the weights.
    areas: int64 [N], in pixels. runs: int64 [R, 3], row, first column, end column (exclusive). owners: int64 [R], each run's component.
    """

    shape: tuple[int, int]
    boxes: NDArray[np.int64]
    masses: NDArray[np.float64]
    areas: NDArray[np.int64]
    runs: NDArray[np.int64]
    owners: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.areas)

    @property
    def at_edge(self) -> NDArray[np.bool_]:
        """Whether each component touches the border, bool [N]."""
        top, left, bottom, right = self.boxes.T
        return np.asarray((top == 0) | (left == 0) | (bottom == self.shape[0]) | (right == self.shape[1]))

    def part(self, number: int) -> NDArray[np.bool_]:
        """The mask of one component within its box, bool."""
        top, left, bottom, right = self.boxes[number].tolist()
        return _filled(self.runs[self.owners == number] - (top, left, left), (bottom - top, right - left))

    def mask(self, chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
        """The mask of the chosen components, bool [H, W]."""
        return _filled(self.runs[np.isin(self.owners, chosen)], self.shape)


def _filled(runs: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of runs, int64 [R, 3]: bool [H, W]."""
    edges = np.zeros((shape[0], shape[1] + 1), np.int8)
    rows, starts, stops = runs.T
    edges[rows, starts] = 1
    edges[rows, stops] -= 1
    return np.cumsum(edges, axis=1, dtype=np.int8)[:, :-1].astype(bool)


def find_components(mask: NDArray[np.bool_], weight: NDArray[np.floating]) -> Components:
    """Find the 8-connected components of `mask`, bool [H, W], with the sum of `weight`, [H, W], over each.

    Runs instead of pixels: A. Rosenfeld, J. L. Pfaltz, "Sequential operations in digital picture processing", JACM 13 (1966). Hooking and
    shortcutting joins all runs at once, without a loop over them: Y. Shiloach, U. Vishkin, J. of Algorithms 3 (1982).
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 1), bool)
    padded[:, :width] = mask
    edges = np.flatnonzero(np.diff(padded.ravel(), prepend=False))
    starts, stops = edges[::2], edges[1::2]
    owners = _join(len(starts), *_touching(starts, stops, width + 1))
    rows, lefts, rights = starts // (width + 1), starts % (width + 1), stops - starts // (width + 1) * (width + 1)
    count = int(owners.max(initial=-1)) + 1
    areas = np.bincount(owners, rights - lefts, count).astype(np.int64)
    masses = np.bincount(np.repeat(owners, rights - lefts), weight[mask], count).astype(np.float64)
    boxes = np.empty((count, 4), np.int64)
    for column, (values, end) in enumerate(((rows, np.minimum), (lefts, np.minimum), (rows + 1, np.maximum), (rights, np.maximum))):
        boxes[:, column] = np.iinfo(np.int64).max if end is np.minimum else 0
        end.at(boxes[:, column], owners, values)
    return Components((height, width), boxes, masses, areas, np.stack([rows, lefts, rights], axis=1), owners)


def _touching(starts: NDArray[np.int64], stops: NDArray[np.int64], stride: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of touching runs in neighbouring rows. Positions are flat indices into rows of `stride` pixels."""
    first = np.searchsorted(stops, starts + stride, "left")
    counts = np.searchsorted(starts, stops + stride, "right") - first
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    return upper, lower


def _join(count: int, upper: NDArray[np.int64], lower: NDArray[np.int64]) -> NDArray[np.int64]:
    """Label each run from 0 up; runs that pairs connect get the same label."""
    parents = np.arange(count)
    while True:
        smaller = np.minimum(parents[upper], parents[lower])
        before = parents.copy()
        np.minimum.at(parents, parents[upper], smaller)
        np.minimum.at(parents, parents[lower], smaller)
        parents = parents[parents]
        if np.array_equal(parents, before):
            return np.unique(parents, return_inverse=True)[1]
