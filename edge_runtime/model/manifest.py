"""The manifest of a self-describing model file: what it is, what it takes and gives, where it came from, how it was proven.

docs/model-file.md describes every field. Reading checks every JSON type (edge_runtime.common.json_codec).
"""

from typing import Any

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.pixels import BACKGROUND, INK, SIDE

FORMAT_VERSION = 1


@frozen_dataclass
class PixelContract:
    """How an image is given: always the contract of edge_runtime.common.pixels."""

    dtype: str = "uint8"
    shape: tuple[int, ...] = (SIDE, SIDE)
    background: int = BACKGROUND
    ink: int = INK


@frozen_dataclass
class TensorSpec:
    """An input or output tensor: dtype, shape with a batch of 1, and for integers (value - zero_point) * scale = real number."""

    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int


@frozen_dataclass
class FlatBufferSpec:
    """The part of the file that interpreters read: its first `bytes` bytes, and their SHA-256."""

    bytes: int
    sha256: str


@frozen_dataclass
class OperatorSpec:
    """How often an operator occurs in the graph, and in which version."""

    name: str
    version: int
    count: int


@frozen_dataclass
class Tolerance:
    """How far another machine's output may lie from the recorded one: in output steps (integer outputs) or in logits (float)."""

    amount: float
    unit: str


@frozen_dataclass
class Comparison:
    """A quantised model against the float model on the same images. Drops are in percentage points, positive where accuracy was lost."""

    split: str
    reference: Accuracy
    candidate: Accuracy
    agreeing: int
    lost: int
    gained: int
    mcnemar_p: float
    drop: float
    drop_interval: tuple[float, float]
    class_drops: tuple[float, ...]


@frozen_dataclass
class Verdict:
    """Of the accuracy gate, on the test images: passed if the upper bound of the drop is within `max_drop` points."""

    max_drop: float
    passed: bool
    reason: str


@frozen_dataclass
class Origin:
    """Where the file came from. `training` is what training.json says in short; empty for a model that was trained elsewhere."""

    training: dict[str, Any]
    keras_sha256: str
    data_sha256: str
    calibration: dict[str, Any]
    versions: dict[str, str]
    command: str


@frozen_dataclass
class Manifest:
    """Everything that a self-describing model file says about itself."""

    format_version: int
    name: str
    recipe: str
    labels: tuple[str, ...]
    pixels: PixelContract
    input: TensorSpec
    output: TensorSpec
    flatbuffer: FlatBufferSpec
    minimum_runtime: dict[str, str]
    operators: tuple[OperatorSpec, ...]
    tolerance: Tolerance
    accuracy: tuple[Comparison, ...]
    verdict: Verdict
    origin: Origin
    attribution: str
