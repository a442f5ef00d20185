"""Read model files: a TFLite FlatBuffer followed by an archive with its manifest (docs/model-file.md), or a plain FlatBuffer.

Only bytes that pass every check here reach an interpreter.
"""

import io
import re
from dataclasses import field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.json_codec import from_versioned_json, to_json
from edge_runtime.common.pixels import SIDE
from edge_runtime.errors import InputError, ModelFileError
from edge_runtime.model.archive import has_archive_end, has_archive_trace, unpack
from edge_runtime.model.graph import FILE_IDENTIFIER, Graph, Tensor, read_graph
from edge_runtime.model.manifest import FORMAT_VERSION, TEMPERATURES, Manifest, ManifestV1, OperatorSpec, PixelContract, TensorSpec

MODELS = Path(__file__).parents[1] / "models"
DEFAULT_MODEL = MODELS / "small-int8.tflite"
INPUT_DTYPES = ("float32", "int8", "uint8", "int16")
_RECIPE = re.compile(r"float(16|32)|dynamic_wi\d+|static_wi\d+_ai\d+")
_MAX_FILE_BYTES = 256 * 2**20
_MAX_GOLDEN_BYTES = 16 * 2**20  # of one array, unpacked: twenty thousand images


@frozen_dataclass
class Golden:
    """Golden images: test images with recorded outputs.

    images: uint8 [16, 28, 28]. labels: uint8 [16]. float_logits: float32 [16, classes], of the Keras model. outputs: [16, classes] in the
    model's output dtype, recorded on the machine that made the file.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    float_logits: NDArray[np.float32]
    outputs: NDArray[Any]


@frozen_dataclass
class ModelFile:
    """A model file that passed every check. manifest: None for a plain .tflite."""

    name: str
    file_bytes: int
    flatbuffer: bytes = field(repr=False)
    graph: Graph = field(repr=False)
    manifest: Manifest | None = field(repr=False)
    golden_npz: bytes = field(repr=False)
    labels: tuple[str, ...]

    @property
    def input(self) -> Tensor:
        """The tensor that takes pixels."""
        return self.graph.inputs[0]

    @property
    def output(self) -> Tensor:
        """The tensor that gives logits."""
        return self.graph.outputs[0]

    @property
    def sha256(self) -> str:
        """Hash of the FlatBuffer."""
        return sha256(self.flatbuffer).hexdigest()

    @property
    def temperature(self) -> float:
        """What logits are divided by before softmax; 1 for a plain .tflite."""
        return self.manifest.temperature if self.manifest else 1.0

    def golden(self) -> Golden:
        """The golden images of the file.

        Raises:
            ModelFileError: it has none, or their dtypes or shapes do not fit the manifest.
        """
        return _read_golden(self)


def find_model(given: Path | None = None) -> Path:
    """Resolve a path, the name of a shipped model ("nano" for its int8 file; "base-fp32"), or None for the default model.

    A file in the current folder takes precedence over a name, a folder does not.
    """
    if given is None:
        return DEFAULT_MODEL
    shipped = MODELS / f"{given.name if '-' in given.name else f'{given.name}-int8'}.tflite"
    is_name = given == Path(given.name) and not given.suffix
    return shipped if is_name and not given.is_file() and shipped.exists() else given


def read_model_file(path: Path | None = None) -> ModelFile:
    """Read and check a model file: a path, a name or None, as `find_model` takes them.

    Raises:
        ModelFileError: it breaks a rule of docs/model-file.md; the message begins with the path and names the cause.
    """
    path = find_model(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror or error}){_suggestion(path)}") from error
    try:
        return parse_model_file(data, path.stem)
    except InputError as error:
        raise ModelFileError(f"{path}: {error}") from error


def _suggestion(path: Path) -> str:
    """Names of shipped models, for a word that is no file: the one that was probably meant, or all."""
    if path != Path(path.name) or path.suffix:
        return ""
    names = sorted(file.stem.removesuffix("-int8") for file in MODELS.glob("*.tflite"))
    import difflib  # 5 ms that a name that is right need not pay

    close = difflib.get_close_matches(path.name, names, 1)
    return f"; did you mean {close[0]}?" if close else f"; shipped models are {', '.join(names)}"


def parse_model_file(data: bytes, name: str = "model") -> ModelFile:
    """Check the bytes of a model file. `name` is used where the file does not state its own.

    Raises:
        ModelFileError: the bytes break a rule of docs/model-file.md.
    """
    if len(data) > _MAX_FILE_BYTES:
        raise ModelFileError(f"is larger than {_MAX_FILE_BYTES:,} bytes")
    if data[4:8] != FILE_IDENTIFIER:
        raise ModelFileError(_other_format(data))
    if not has_archive_trace(data):
        return _plain_file(data, name)
    if not has_archive_end(data):
        raise ModelFileError("has a damaged archive: it does not end where the file ends (truncated, or bytes were appended)")
    return _self_describing_file(data)


def _other_format(data: bytes) -> str:
    if not data:
        return "is empty"
    start = data[:512].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the model itself; fetch it with 'git lfs pull'"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not a model; download the model again"
    if start.startswith(b"pk\x03\x04"):
        return "is a ZIP archive, not a .tflite file; convert a .keras file with digits convert"
    if start.startswith(b"\x89hdf"):
        return "is an HDF5 file (Keras' older format), not a .tflite file; convert it first"
    return "is not a TFLite model (its bytes 4 to 8 are not 'TFL3')"


def _plain_file(data: bytes, name: str) -> ModelFile:
    if len(data) % 4 and not has_archive_end(data):
        raise ModelFileError("is truncated, or bytes were appended: its length is not a multiple of 4")
    graph = read_graph(data)
    _check_tensors(graph)
    labels = tuple(str(index) for index in range(graph.outputs[0].shape[-1]))
    return ModelFile(name, len(data), data, graph, None, b"", labels)


def _self_describing_file(data: bytes) -> ModelFile:
    offset, entries = unpack(data)
    manifest = _read_manifest(entries["manifest.json"])
    flatbuffer = data[:offset]
    _check_flatbuffer(manifest, flatbuffer)
    graph = read_graph(flatbuffer)
    _check_tensors(graph)
    _check_manifest(manifest, graph)
    if entries["labels.txt"] != labels_text(manifest.labels):
        raise ModelFileError("labels.txt and the labels of manifest.json differ")
    return ModelFile(manifest.name, len(data), flatbuffer, graph, manifest, entries["golden.npz"], manifest.labels)


def _read_manifest(content: bytes) -> Manifest:
    kinds: dict[int, type[ManifestV1]] = {1: ManifestV1, FORMAT_VERSION: Manifest}
    try:
        found = from_versioned_json(kinds, "format_version", content)
    except InputError as error:
        raise ModelFileError(f"manifest.json {error}") from error
    if to_json(found).encode() != content:
        raise ModelFileError("manifest.json is not in canonical form (every field, sorted keys, no white space, UTF-8)")
    return Manifest.of(found)


def labels_text(labels: tuple[str, ...]) -> bytes:
    """The content of labels.txt: one label per line."""
    return "".join(f"{label}\n" for label in labels).encode()


def is_model_text(text: str) -> bool:
    """Whether a text is valid as a model's name or a label: 1 to 64 printable characters."""
    return 0 < len(text) <= 64 and text.isprintable()


def tensor_spec(tensor: Tensor) -> TensorSpec:
    """The manifest's entry for a tensor."""
    return TensorSpec(tensor.dtype, tensor.shape, tensor.scale, tensor.zero_point)


def operator_specs(graph: Graph) -> tuple[OperatorSpec, ...]:
    """The manifest's entries for a graph's operators."""
    return tuple(OperatorSpec(operator.name, operator.version, count) for operator, count in graph.operator_counts)


def _check_flatbuffer(manifest: Manifest, flatbuffer: bytes) -> None:
    if manifest.flatbuffer.bytes != len(flatbuffer):
        raise ModelFileError(
            f"damaged: the manifest states a FlatBuffer of {manifest.flatbuffer.bytes:,} bytes, there are {len(flatbuffer):,}"
        )
    if manifest.flatbuffer.sha256 != sha256(flatbuffer).hexdigest():
        raise ModelFileError("damaged: the SHA-256 of the FlatBuffer differs from the manifest's")


def _check_tensors(graph: Graph) -> None:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelFileError(f"has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, expected one of each")
    source, sink = graph.inputs[0], graph.outputs[0]
    if int(np.prod(source.shape, dtype=np.int64)) != SIDE * SIDE or source.shape[:1] != (1,):
        raise ModelFileError(f"has an input of shape {list(source.shape)}, expected 1 image of 784 numbers")
    if len(sink.shape) != 2 or sink.shape[0] != 1 or not 2 <= sink.shape[1] <= 256:
        raise ModelFileError(f"has an output of shape {list(sink.shape)}, expected [1, classes] with 2 to 256 classes")
    for tensor in (source, sink):
        quantized = tensor.dtype != "float32"
        if tensor.dtype not in INPUT_DTYPES or (quantized and not (np.isfinite(tensor.scale) and tensor.scale > 0)):
            raise ModelFileError(
                f"tensor {tensor.name!r} is {tensor.dtype} with scale {tensor.scale}, expected one of {', '.join(INPUT_DTYPES)}"
            )


def _check_manifest(manifest: Manifest, graph: Graph) -> None:
    stated = (manifest.pixels, manifest.input, manifest.output, manifest.operators)
    found = (PixelContract(), tensor_spec(graph.inputs[0]), tensor_spec(graph.outputs[0]), operator_specs(graph))
    for what, says, has in zip(("pixel contract", "input", "output", "operator list"), stated, found, strict=True):
        if says != has:
            raise ModelFileError(f"the manifest's {what} differs from the model's: {says}, expected {has}"[:240])
    if len(manifest.labels) != manifest.output.shape[1]:
        raise ModelFileError(f"has {len(manifest.labels)} labels for {manifest.output.shape[1]} classes")
    for text in (manifest.name, *manifest.labels):
        if not is_model_text(text):
            raise ModelFileError(f"the name or a label is not 1 to 64 printable characters: {ascii(text)[:80]}")
    if not _RECIPE.fullmatch(manifest.recipe):
        raise ModelFileError(f"states the recipe {manifest.recipe!r}, expected a name such as float32 or static_wi8_ai8")
    _check_numbers(manifest)


def _check_numbers(manifest: Manifest) -> None:
    unit = "logits" if manifest.output.dtype == "float32" else "steps"
    if manifest.tolerance.unit != unit or manifest.tolerance.amount < 0:
        raise ModelFileError(
            f"states a tolerance of {manifest.tolerance.amount:g} {manifest.tolerance.unit}, expected {unit}, 0 or more"
        )
    low, high = TEMPERATURES
    if not low <= manifest.temperature <= high:
        raise ModelFileError(f"states a temperature of {manifest.temperature:g}, expected {low:g} to {high:g}")


def _read_golden(model: ModelFile) -> Golden:
    import zipfile  # 9 ms that classifying need not pay

    from edge_runtime.common.npz import DAMAGE, read_entry

    if model.manifest is None:
        raise ModelFileError(f"{model.name} is a plain .tflite without golden images; make the model with digits convert")
    names = [entry.name for entry in fields(Golden)]
    try:
        with zipfile.ZipFile(io.BytesIO(model.golden_npz)) as archive:
            if sorted(archive.namelist()) != sorted(f"{name}.npy" for name in names):
                raise ValueError(f"holds {archive.namelist()}")
            golden = Golden(**{name: read_entry(archive, name, _MAX_GOLDEN_BYTES) for name in names})
    except (ValueError, OSError, *DAMAGE) as error:
        raise ModelFileError(f"{model.name}: golden.npz does not hold the arrays that docs/model-file.md lists") from error
    count, classes = golden.labels.size, len(model.labels)
    expected = (
        (golden.images, "uint8", (count, SIDE, SIDE)),
        (golden.labels, "uint8", (count,)),
        (golden.float_logits, "float32", (count, classes)),
        (golden.outputs, model.output.dtype, (count, classes)),
    )
    if count == 0 or any(array.dtype != dtype or array.shape != shape for array, dtype, shape in expected):
        raise ModelFileError(f"{model.name}: golden.npz does not hold the arrays that docs/model-file.md lists")
    return golden
