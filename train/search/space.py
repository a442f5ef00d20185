"""Search spaces: networks within a limit of payload bytes, so that no trial is spent on one that is too large or impossible.

A network is built from its input on; each choice is limited so that the smallest possible rest still fits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from edge_runtime.common.pixels import SIDE
from edge_runtime.errors import BadArgument
from train.config.training_config import Convolution

T = TypeVar("T")
WIDTHS = (4, 8, 12, 16, 24, 32, 40, 48, 56, 64)
KERNELS = (3, 5)
UNITS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
FEWEST_BLOCKS, MOST_BLOCKS = 3, 6
MOST_LAYERS = 3
MOST_HALVINGS = 3  # sizes go down to an eighth of the limit
# With these, an epoch of MNIST takes about half a minute on one core.
MOST_MULTIPLY_ADDS = 4_000_000
MOST_BYTES = 1_000_000
_AVERAGE_AXES = 8  # two int32: the axes of the global average are a constant of the graph


class Choose(Protocol):
    """Chooses an integer parameter; Optuna's `Trial.suggest_int` is one."""

    def __call__(self, name: str, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        ...


@dataclass(frozen=True)
class Cost:
    """Bytes of int8 weights and int32 biases, and multiply-adds per image, of a network."""

    payload_bytes: int
    multiply_adds: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.payload_bytes + other.payload_bytes, self.multiply_adds + other.multiply_adds)


@dataclass(frozen=True)
class Limits:
    """The maximum cost of a network, and its number of classes."""

    max_bytes: int
    classes: int = 10

    def allow(self, cost: Cost) -> bool:
        """Whether a network of this cost may be proposed."""
        return cost.payload_bytes <= self.max_bytes and cost.multiply_adds <= MOST_MULTIPLY_ADDS


@dataclass(frozen=True)
class Block:
    """A convolution, or a depthwise and a pointwise one. The default is the cheapest block."""

    plain: bool = False
    kernel: int = KERNELS[0]
    width: int = WIDTHS[0]
    stride: int = 1
    valid: bool = False

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """The convolutions of the block, one or two."""
        if self.plain:
            return (Convolution(self.width, self.kernel, self.stride, self.valid),)
        return (Convolution(0, self.kernel, self.stride, self.valid), Convolution(self.width, 1))


def convolutions_cost(convolutions: tuple[Convolution, ...], classes: int) -> Cost:
    """Cost of a cnn with these convolutions: an upper bound, since the converter drops zero biases and merges equal constants."""
    side, channels, total = SIDE, 1, Cost(_AVERAGE_AXES, 0)
    for convolution in convolutions:
        side = convolution.side(side)
        weights = convolution.kernel**2 * channels * (convolution.filters or 1)
        channels = convolution.filters or channels
        total += Cost(weights + 4 * channels, weights * side**2)
    return total + _dense_cost((channels, classes))


def hidden_cost(hidden: tuple[int, ...], classes: int) -> Cost:
    """Cost of an mlp with these hidden layers."""
    return _dense_cost((SIDE**2, *hidden, classes))


def _dense_cost(widths: tuple[int, ...]) -> Cost:
    weights = [before * after for before, after in pairwise(widths)]
    return Cost(sum(weights) + 4 * sum(widths[1:]), sum(weights))


def choose_cnn(choose: Choose, limits: Limits) -> dict[str, Any]:
    """Choose the fields of a TrainingConfig: 3 to 6 blocks, one or two with stride 2, the first of them among the first two blocks.

    No block is narrower than the previous one. `limits` must pass `check_limits`.
    """
    limits = _choose_size(choose, limits, _smallest_cnn(FEWEST_BLOCKS, limits))
    fits = [count for count in range(FEWEST_BLOCKS, MOST_BLOCKS + 1) if limits.allow(_smallest_cnn(count, limits))]
    count = choose("blocks", FEWEST_BLOCKS, max(fits))
    first = choose("first_stride", 1, 2)
    second = choose("second_stride", first + 1, count + 1)  # after the last block: none
    draft = _Draft(choose, limits, [Block(plain=n == 1, stride=1 + (n in (first, second))) for n in range(1, count + 1)])
    for position in range(count):
        draft.decide(position)
    return {"model": "cnn", "convolutions": ",".join(map(str, _convolutions(draft.blocks)))}


def choose_mlp(choose: Choose, limits: Limits) -> dict[str, Any]:
    """Choose the fields of a TrainingConfig: 1 to 3 hidden layers. `limits` must pass `check_limits`."""
    limits = _choose_size(choose, limits, hidden_cost(UNITS[:1], limits.classes))
    fits = [count for count in range(1, MOST_LAYERS + 1) if limits.allow(hidden_cost(UNITS[:1] * count, limits.classes))]
    hidden = list(UNITS[:1] * choose("layers", 1, max(fits)))
    for position in range(len(hidden)):
        drafts = [[*hidden[:position], units, *hidden[position + 1 :]] for units in UNITS]
        hidden = _choose_of(
            choose, f"units{position + 1}", drafts, lambda one: limits.allow(hidden_cost(tuple(one), limits.classes))
        )
    return {"model": "mlp", "hidden": hidden}


SPACES: dict[str, Callable[[Choose, Limits], dict[str, Any]]] = {"cnn": choose_cnn, "mlp": choose_mlp}


def check_limits(space: str, limits: Limits) -> None:
    """Check that a space has networks within the limits.

    Raises:
        BadArgument: it has none, or the limit is over 1 MB; the message states the range.
    """
    smallest = {"cnn": _smallest_cnn(FEWEST_BLOCKS, limits), "mlp": hidden_cost(UNITS[:1], limits.classes)}[space]
    if not smallest.payload_bytes <= limits.max_bytes <= MOST_BYTES:
        raise BadArgument(
            f"payload is limited to {limits.max_bytes:,} bytes,"
            f" expected {smallest.payload_bytes:,} (the smallest {space}) to {MOST_BYTES:,}"
        )


@dataclass
class _Draft:
    """A cnn being built: blocks up to a position are decided, the others are the cheapest."""

    choose: Choose
    limits: Limits
    blocks: list[Block]

    def decide(self, position: int) -> None:
        number = position + 1
        if position > 0:
            self._vary(position, f"plain{number}", [{"plain": False}, {"plain": True}])
        self._vary(position, f"kernel{number}", [{"kernel": kernel} for kernel in KERNELS])
        self._widen(position)
        padded = self.blocks[position]
        side = SIDE
        for before in self.blocks[:position]:
            side = before.convolutions[0].side(side)
        if self.choose(f"valid{number}", 0, int(side >= padded.kernel)):
            self.blocks[position] = replace(padded, valid=True)

    def _vary(self, position: int, name: str, changes: Sequence[dict[str, Any]]) -> None:
        """Choose one of several changes of a block, in ascending order of cost."""
        drafts = [
            [*self.blocks[:position], replace(self.blocks[position], **change), *self.blocks[position + 1 :]] for change in changes
        ]
        self.blocks = _choose_of(self.choose, name, drafts, self._fits)

    def _widen(self, position: int) -> None:
        """Choose the width of a block and of all following blocks."""
        drafts = [
            self.blocks[:position] + [replace(block, width=width) for block in self.blocks[position:]]
            for width in WIDTHS
            if width >= self.blocks[position].width
        ]
        self.blocks = _choose_of(self.choose, f"widen{position + 1}", drafts, self._fits)

    def _fits(self, blocks: list[Block]) -> bool:
        return self.limits.allow(convolutions_cost(_convolutions(blocks), self.limits.classes))


def _choose_size(choose: Choose, limits: Limits, smallest: Cost) -> Limits:
    """Choose how often to halve the limit; otherwise nearly all proposals would be close to it."""
    halvings = [times for times in range(MOST_HALVINGS + 1) if limits.max_bytes >> times >= smallest.payload_bytes]
    return replace(limits, max_bytes=limits.max_bytes >> choose("halvings", 0, max(halvings)))


def _choose_of(choose: Choose, name: str, values: Sequence[T], allowed: Callable[[T], bool]) -> T:
    """Choose one of several values in ascending order of cost, up to the last allowed one."""
    return values[choose(name, 0, max(index for index, value in enumerate(values) if allowed(value)))]


def _smallest_cnn(blocks: int, limits: Limits) -> Cost:
    return convolutions_cost(_convolutions([Block(plain=True, stride=2), *[Block()] * (blocks - 1)]), limits.classes)


def _convolutions(blocks: Sequence[Block]) -> tuple[Convolution, ...]:
    return tuple(convolution for block in blocks for convolution in block.convolutions)


def architecture(fields: dict[str, Any]) -> str:
    """A network as text, such as 16k5s2v,32k3v for a cnn or 32-16 for an mlp."""
    return str(fields["convolutions"]) if fields["model"] == "cnn" else "-".join(map(str, fields["hidden"]))
