"""The manifest of a self-describing model file: labels, input and output, operators, origin, accuracy and tolerance.

docs/model-file.md describes every field. `json_codec` checks their types on reading.
"""

from typing import Any

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.pixels import BACKGROUND, INK, SIDE

FORMAT_VERSION = 2
TEMPERATURES = (0.05, 20.0)
"""Least and greatest temperature."""


@frozen_dataclass
class PixelContract:
    """The layout of an input image: always that of edge_runtime.common.pixels."""

    dtype: str = "uint8"
    shape: tuple[int, ...] = (SIDE, SIDE)
    background: int = BACKGROUND
    ink: int = INK


@frozen_dataclass
class TensorSpec:
    """An input or output tensor: dtype, shape with a batch of 1, and for integers real = (value - zero_point) * scale."""

    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int


@frozen_dataclass
class FlatBufferSpec:
    """The FlatBuffer, which interpreters read: the first `bytes` bytes of the file, and their SHA-256."""

    bytes: int
    sha256: str


@frozen_dataclass
class OperatorSpec:
    """An operator of the graph, with its version and count."""

    name: str
    version: int
    count: int


@frozen_dataclass
class Tolerance:
    """Maximum difference of outputs from the recorded ones, in output steps (integer outputs) or logits (float outputs)."""

    amount: float
    unit: str


@frozen_dataclass
class Comparison:
    """A quantised model compared with the float model on the same images. Drops are percentage points, positive for lost accuracy."""

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
    """The accuracy gate's verdict on the test images: passed if the upper bound of the drop is at most `max_drop` points."""

    max_drop: float
    passed: bool
    reason: str


@frozen_dataclass
class Origin:
    """Where the file came from. training: a summary of training.json; empty for a model that was trained elsewhere."""

    training: dict[str, Any]
    keras_sha256: str
    data_sha256: str
    calibration: dict[str, Any]
    versions: dict[str, str]
    command: str


@frozen_dataclass
class ManifestV1:
    """The content of manifest.json in format version 1."""

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


@frozen_dataclass
class Manifest(ManifestV1):
    """The content of manifest.json. temperature: logits are divided by it before softmax, so that scores are probabilities."""

    temperature: float

    @classmethod
    def of(cls, manifest: ManifestV1) -> "Manifest":
        """A manifest of either version; files of version 1 have softmax as it is."""
        return manifest if isinstance(manifest, Manifest) else cls(**vars(manifest), temperature=1.0)
