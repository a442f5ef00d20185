"""Export a model as C: written, proven against LiteRT's reference kernels or TFLite Micro, measured, then stored."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.c_code.budget import Budget, measure_budgets
from convert.c_code.compilers import find_compiler
from convert.c_code.host import run_c
from convert.c_code.oracle import ORACLES, exact_logits
from convert.c_code.self_test import write_self_test
from convert.c_code.source import CModel, write_c
from convert.integer_layers.lowering import Rounding
from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
from edge_runtime.errors import GateFailed, LimitsNotMet
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import ModelFile

_GOLDEN_IMAGES = 16


@dataclass(frozen=True)
class Proof:
    """The C code compared with the .tflite file on the same images.

    images: how many. compiler: of this machine; None if there is none, so that nothing was compared.
    different_logits: that differ from the oracle's. different_labels: that differ from `Classifier`, which uses XNNPACK.
    oracle: LiteRT's reference kernels, or TFLite Micro.
    """

    images: int
    compiler: str | None
    different_logits: int
    different_labels: int
    oracle: str = ORACLES["litert"]


@dataclass(frozen=True)
class CExport:
    """A model as C with its proof and its budgets; report is the content of digits_<name>.json."""

    model: CModel
    self_test: str
    proof: Proof
    budgets: tuple[Budget, ...]
    report: str

    @property
    def files(self) -> dict[str, str]:
        """Names and texts of all files; the source, without which nothing links, comes last."""
        prefix = self.model.prefix
        return {
            f"{prefix}.h": self.model.header,
            f"{prefix}_test.c": self.self_test,
            f"{prefix}.json": self.report,
            f"{prefix}.c": self.model.source,
        }


def export_c(
    model: ModelFile,
    images: NDArray[np.uint8],
    *,
    name: str | None = None,
    rounding: Rounding = "litert",
    step: Callable[[str], object] = lambda _: None,
) -> CExport:
    """Write a model as C, and compare it with LiteRT's reference kernels, or with TFLite Micro.

    Args:
        model: a checked model file.
        images: uint8 [N, 28, 28] to compare on.
        name: in file names and identifiers; None for the model's own.
        rounding: whose roundings the C code has, and is compared with: "litert" or "tflm".
        step: called with the name of each step before it begins.

    Raises:
        ModelFileError: the model has something that C code is not written for.
        BadArgument: the name gives no C identifier.
        MissingPackage: LiteRT is not installed, or TFLite Micro.
    """
    code = write_c(model, name, rounding)
    step(f"{code.prefix}: {len(images):,} images by {ORACLES[rounding]} and by the C code")
    expected = exact_logits(model.flatbuffer, images, rounding)
    golden = model.golden().images if model.manifest else images[:_GOLDEN_IMAGES]
    self_test = write_self_test(code, golden, exact_logits(model.flatbuffer, golden, rounding))
    proof = _prove(model, code, images, expected)
    step(f"{code.prefix}: flash and RAM")
    budgets = measure_budgets(code)
    return CExport(code, self_test, proof, budgets, _report(model, code, proof, budgets))


def _prove(model: ModelFile, code: CModel, images: NDArray[np.uint8], expected: NDArray[np.int8]) -> Proof:
    oracle = ORACLES[code.rounding]
    if (compiler := find_compiler()) is None:
        return Proof(len(images), None, 0, 0, oracle)
    logits = run_c(code, images, compiler)
    labels = Classifier(model, in_process=True).classify_batch(images).indices
    different_logits, different_labels = int((logits != expected).sum()), int((logits.argmax(axis=1) != labels).sum())
    return Proof(len(images), Path(compiler).name, different_logits, different_labels, oracle)


def _report(model: ModelFile, code: CModel, proof: Proof, budgets: tuple[Budget, ...]) -> str:
    facts = {
        "model": model.name,
        "sha256": model.sha256,
        "multiply_adds": code.multiply_adds,
        "constant_bytes": code.constant_bytes,
        "memory_bytes": code.memory_bytes,
        "proof": asdict(proof),
        "budgets": [asdict(budget) | {"ram_bytes": budget.ram_bytes} for budget in budgets],
    }
    return json.dumps(facts, indent=1) + "\n"


def check_export(export: CExport, max_flash: int | None = None, max_ram: int | None = None) -> None:
    """Check the proof and the limits.

    Raises:
        GateFailed: a logit differs from the oracle's.
        LimitsNotMet: a target needs more flash or RAM than given, by each level of optimisation.
    """
    if different := export.proof.different_logits:
        raise GateFailed(
            f"{different:,} of {export.proof.images * len(export.model.labels):,} logits of the C code differ from "
            f"{export.proof.oracle}; nothing was written: please report the model"
        )
    for what, limit, size in (("flash", max_flash, _flash), ("RAM", max_ram, _ram)):
        for target in dict.fromkeys(budget.target for budget in export.budgets):
            smallest = min(size(budget) for budget in export.budgets if budget.target == target)
            if limit is not None and smallest > limit:
                raise LimitsNotMet(
                    f"{target} needs {smallest:,} bytes of {what}, more than --max-{what.lower()} {limit}; nothing was written"
                )


def _flash(budget: Budget) -> int:
    return budget.flash_bytes


def _ram(budget: Budget) -> int:
    return budget.ram_bytes


def store_files(files: Mapping[str, str], folder: Path, force: bool = False) -> list[Path]:
    """Write files, by their names, in their order; each is whole or not there.

    Raises:
        WouldOverwrite: one exists and `force` is false; none is written then.
    """
    paths = {folder / name: text for name, text in files.items()}
    for path in paths:
        refuse_to_overwrite(path, force)
    for path, text in paths.items():
        write_file(path, text, force)
    return list(paths)
