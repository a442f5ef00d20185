"""Export a model as C: written, proven against LiteRT's reference kernels, measured, then stored."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.c_code.budget import Budget, measure_budgets
from convert.c_code.compilers import find_compiler
from convert.c_code.host import run_c
from convert.c_code.oracle import reference_logits
from convert.c_code.self_test import write_self_test
from convert.c_code.source import CModel, write_c
from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
from edge_runtime.errors import GateFailed, LimitsNotMet
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import ModelFile

_GOLDEN_IMAGES = 16


@dataclass(frozen=True)
class Proof:
    """The C code compared with the .tflite file on the same images.

    images: how many. compiler: of this machine; None if there is none, so that nothing was compared.
    different_logits: that differ from LiteRT's reference kernels. different_labels: that differ from `Classifier`, which uses XNNPACK.
    """

    images: int
    compiler: str | None
    different_logits: int
    different_labels: int


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
        """Names and texts of all files."""
        prefix = self.model.prefix
        return {
            f"{prefix}.h": self.model.header,
            f"{prefix}.c": self.model.source,
            f"{prefix}_test.c": self.self_test,
            f"{prefix}.json": self.report,
        }


def export_c(
    model: ModelFile, images: NDArray[np.uint8], *, name: str | None = None, step: Callable[[str], object] = lambda _: None
) -> CExport:
    """Write a model as C, and compare it with LiteRT's reference kernels.

    Args:
        model: a checked model file.
        images: uint8 [N, 28, 28] to compare on.
        name: in file names and identifiers; None for the model's own.
        step: called with the name of each step before it begins.

    Raises:
        ModelFileError: the model has something that C code is not written for.
        BadArgument: the name gives no C identifier.
        MissingPackage: LiteRT is not installed.
    """
    code = write_c(model, name)
    step(f"{code.prefix}: {len(images):,} images by LiteRT's reference kernels and by the C code")
    expected = reference_logits(model.flatbuffer, images)
    golden = model.golden().images if model.manifest else images[:_GOLDEN_IMAGES]
    self_test = write_self_test(code, golden, reference_logits(model.flatbuffer, golden))
    proof = _prove(model, code, images, expected)
    step(f"{code.prefix}: flash and RAM")
    budgets = measure_budgets(code)
    return CExport(code, self_test, proof, budgets, _report(model, code, proof, budgets))


def _prove(model: ModelFile, code: CModel, images: NDArray[np.uint8], expected: NDArray[np.int8]) -> Proof:
    if (compiler := find_compiler()) is None:
        return Proof(len(images), None, 0, 0)
    logits = run_c(code, images, compiler)
    labels = Classifier(model, in_process=True).classify_batch(images).indices
    return Proof(len(images), Path(compiler).name, int((logits != expected).sum()), int((logits.argmax(axis=1) != labels).sum()))


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
        GateFailed: a logit differs from the reference kernels'.
        LimitsNotMet: a target needs more flash or RAM than given, by each level of optimisation.
    """
    if different := export.proof.different_logits:
        raise GateFailed(
            f"{different:,} of {export.proof.images * len(export.model.labels):,} logits of the C code differ from LiteRT's "
            f"reference kernels; nothing was written: please report the model"
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


def store_export(export: CExport, folder: Path, force: bool = False) -> list[Path]:
    """Write the files; each is whole or not there, and the source, without which nothing compiles, comes last.

    Raises:
        WouldOverwrite: one exists and `force` is false; none is written then.
    """
    paths = {folder / name: text for name, text in export.files.items()}
    for path in paths:
        refuse_to_overwrite(path, force)
    for path in sorted(paths, key=lambda path: path.name == f"{export.model.prefix}.c"):
        write_file(path, paths[path], force)
    return list(paths)
