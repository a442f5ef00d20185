"""Export a model for TFLite Micro: its FlatBuffer as an array, the operators that it needs, and the arena that it takes."""

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.c_code.c_text import array, comment_text, identifier, string
from convert.c_code.source import essentials
from convert.tflite_micro.interpreter import PACKAGE, MicroRun, installed_version, run_micro
from convert.tflite_micro.operators import resolver_functions
from edge_runtime.common.pixels import SIDE
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.graph import Tensor
from edge_runtime.model.model_file import ModelFile


@dataclass(frozen=True)
class MicroProof:
    """The model run by the Python package `tflite-micro`.

    version: of the package. arena_bytes: what the model took of the tensor arena. images: compared. different_labels: of them, whose label
    differs from that of `Classifier`.
    """

    version: str
    arena_bytes: int
    images: int
    different_labels: int


@dataclass(frozen=True)
class MicroExport:
    """A model for TFLite Micro. proof: None where the package is not installed."""

    prefix: str
    operators: tuple[str, ...]
    proof: MicroProof | None
    header: str
    source: str
    report: str

    @property
    def files(self) -> dict[str, str]:
        """Names and texts of all files; the source, without which nothing links, comes last."""
        prefix = self.prefix
        return {f"{prefix}_tflm.h": self.header, f"{prefix}_tflm.json": self.report, f"{prefix}_tflm.cc": self.source}


def export_tflm(
    model: ModelFile, images: NDArray[np.uint8], *, name: str | None = None, step: Callable[[str], object] = lambda _: None
) -> MicroExport:
    """Write a model for TFLite Micro, and run it there where the package `tflite-micro` is installed.

    Args:
        model: a checked model file.
        images: uint8 [N, 28, 28] to compare labels on.
        name: in file names and identifiers; None for the model's own.
        step: called with the name of each step before it begins.

    Raises:
        ModelFileError: TFLite Micro has not all of its operators, or refuses it.
        BadArgument: the name gives no C identifier.
    """
    prefix = identifier(model.name if name is None else name)
    operators = resolver_functions(model.graph)
    proof = None
    if version := installed_version():
        step(f"{prefix}: {len(images):,} images by TFLite Micro")
        proof = _prove(model, version, images, run_micro(model.flatbuffer, images))
    header, report = _header(prefix, model, operators, proof), _report(model, operators, proof)
    return MicroExport(prefix, operators, proof, header, _source(prefix, model), report)


def _prove(model: ModelFile, version: str, images: NDArray[np.uint8], run: MicroRun) -> MicroProof:
    labels = Classifier(model, in_process=True).classify_batch(images).indices
    return MicroProof(version, run.arena_bytes, len(images), int((run.outputs.argmax(axis=1) != labels).sum()))


def _report(model: ModelFile, operators: tuple[str, ...], proof: MicroProof | None) -> str:
    facts = {
        "model": model.name,
        "sha256": model.sha256,
        "model_bytes": len(model.flatbuffer),
        "operators": operators,
        "tflite_micro": proof.version if proof else None,
        "arena_bytes": proof.arena_bytes if proof else None,
        "images": proof.images if proof else 0,
        "different_labels": proof.different_labels if proof else None,
    }
    return json.dumps(facts, indent=1) + "\n"


def _facts(model: ModelFile) -> str:
    lines = [
        f"{comment_text(model.name)} for TFLite Micro, by edge-digits (digits export).",
        *essentials(model),
        f"Input: {SIDE} rows of {SIDE} pixels, 0 = background, 255 = ink, as {_numbers(model.input)}.",
        f"Output: logits as {_numbers(model.output)}.",
    ]
    return "/* " + "\n   ".join(lines) + " */\n"


def _numbers(tensor: Tensor) -> str:
    if tensor.dtype == "float32":
        return tensor.dtype
    return f"{tensor.dtype}, each real value divided by {tensor.scale:.9g}, plus the zero point {tensor.zero_point}"


def _arena(prefix: str, proof: MicroProof | None) -> str:
    macro = prefix.upper()
    if proof is None:
        return f"/* {macro}_ARENA_BYTES was not measured: the Python package {PACKAGE} was not installed. */\n"
    return (
        f"/* What the model takes of the tensor arena, by {PACKAGE} {proof.version} on {platform.machine()}; pointers of 32 bits need "
        f"less,\n   optimised kernels such as CMSIS-NN's may need more. */\n#define {macro}_ARENA_BYTES {proof.arena_bytes}\n"
    )


def _header(prefix: str, model: ModelFile, operators: tuple[str, ...], proof: MicroProof | None) -> str:
    macro = prefix.upper()
    added = " \\\n".join(f"        (resolver).{function}();" for function in operators)
    return f"""{_facts(model)}#ifndef {macro}_TFLM_H
#define {macro}_TFLM_H

#define {macro}_MODEL_BYTES {len(model.flatbuffer)}
#define {macro}_CLASSES {len(model.labels)}
#define {macro}_SHA256 "{model.sha256}"
{_arena(prefix, proof)}
/* The operators of the model, for the resolver:

       static tflite::MicroMutableOpResolver<{macro}_OPERATORS> resolver;
       {macro}_ADD_OPERATORS(resolver);
       static tflite::MicroInterpreter interpreter(tflite::GetModel({prefix}_model), resolver, arena, sizeof arena); */
#define {macro}_OPERATORS {len(operators)}
#define {macro}_ADD_OPERATORS(resolver) \\
    do {{ \\
{added} \\
    }} while (0)

/* The FlatBuffer, aligned to 16 bytes. */
extern const unsigned char {prefix}_model[{macro}_MODEL_BYTES];

/* Labels of the classes, UTF-8. */
extern const char *const {prefix}_model_labels[{macro}_CLASSES];

#endif
"""


def _source(prefix: str, model: ModelFile) -> str:
    macro = prefix.upper()
    sections = [
        _facts(model) + f'#include "{prefix}_tflm.h"\n',
        array(f"alignas(16) const unsigned char {prefix}_model[{macro}_MODEL_BYTES]", model.flatbuffer),
        array(f"const char *const {prefix}_model_labels[{macro}_CLASSES]", map(string, model.labels)),
    ]
    return "\n".join(sections)
