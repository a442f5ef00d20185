"""The command `digits export`.

A composition root: it may import any package, and nobody imports it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli_options import ModelCommand
from edge_runtime.common.atomic_files import refuse_to_overwrite
from edge_runtime.common.text_table import text_table
from edge_runtime.errors import BadArgument
from train.cli_options import data_option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from convert.c_code.export import CExport
    from convert.c_code.tflm_export import MicroExport
    from convert.integer_layers.lowering import Rounding
    from edge_runtime.model.model_file import ModelFile


@click.command("export", cls=ModelCommand, epilog="Example: digits export small --out firmware")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["c", "tflm"]),
    default="c",
    show_default=True,
    help="What to write: C99, or for TFLite Micro.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Folder to write to.  [default: the current one]")
@click.option("--name", help="Name in files and identifiers, digits_NAME.  [default: the model's own]")
@click.option(
    "--rounding",
    type=click.Choice(["litert", "tflm"]),
    help="Give the logits of LiteRT's reference kernels, or those of TFLite Micro, which rounds dense layers twice.  [default: litert]",
)
@click.option("--max-flash", type=click.IntRange(1), metavar="BYTES", help="Exit 3, writing nothing, if a target needs more flash.")
@click.option("--max-ram", type=click.IntRange(1), metavar="BYTES", help="Exit 3, writing nothing, if a target needs more RAM.")
@click.option(
    "--images", type=click.IntRange(1), metavar="N", help="Compare on the first N validation images only.  [default: all]"
)
@data_option
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def export_command(
    model: Path,
    form: str,
    out: Path,
    name: str | None,
    rounding: "Rounding | None",
    max_flash: int | None,
    max_ram: int | None,
    images: int | None,
    data_path: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Export an int8 or int4 model as C99 for microcontrollers, with the proof that it computes the same integers.

    MODEL is a file, or a shipped model: nano, small, base. Writes digits_NAME.h, .c, _test.c (golden images) and .json (this report).

    The C code is compiled and run on this machine, on all validation images; if one logit differs from LiteRT's reference kernels, the
    command exits 3 and writes nothing. Flash and RAM are measured with arm-none-eabi-gcc and riscv64-unknown-elf-gcc where they are
    installed, else estimated.

    With --format tflm, writes digits_NAME_tflm.h, .cc and .json instead: the model as an array, the operators that it needs and, where
    the package tflite-micro is installed, the arena that it takes.
    """
    from convert.c_code.c_text import identifier
    from convert.tflite_micro.interpreter import require
    from edge_runtime.model.model_file import read_model_file
    from train.data import load_dataset

    if form == "tflm" and (rounding or max_flash or max_ram):
        raise BadArgument("--rounding, --max-flash and --max-ram are for --format c; leave them out")
    if rounding == "tflm":
        require()
    checked = read_model_file(model)
    suffix = "_tflm.cc" if form == "tflm" else ".c"
    refuse_to_overwrite(out / f"{identifier(name or checked.name)}{suffix}", force)
    compared = load_dataset(data_path).validation.images[:images]
    if form == "tflm":
        files, report = _tflm(checked, compared, name, as_json)
    else:
        files, report = _c(checked, compared, name, rounding or "litert", max_flash, max_ram, as_json)
    _write(files, report, out, force, as_json)


def _c(
    model: "ModelFile",
    images: "NDArray[np.uint8]",
    name: str | None,
    rounding: "Rounding",
    max_flash: int | None,
    max_ram: int | None,
    as_json: bool,
) -> tuple[dict[str, str], str]:
    """Files and report of C code within its limits."""
    from convert.c_code.export import check_export, export_c

    export = export_c(model, images, name=name, rounding=rounding, step=_print_step)
    if not as_json:
        _print_report(export)
    check_export(export, max_flash, max_ram)
    return export.files, export.report


def _tflm(model: "ModelFile", images: "NDArray[np.uint8]", name: str | None, as_json: bool) -> tuple[dict[str, str], str]:
    """Files and report of a model for TFLite Micro."""
    from convert.c_code.tflm_export import export_tflm

    export = export_tflm(model, images, name=name, step=_print_step)
    if not as_json:
        _print_micro_report(export)
    return export.files, export.report


def _write(files: Mapping[str, str], report: str, out: Path, force: bool, as_json: bool) -> None:
    from convert.c_code.export import store_files

    paths = store_files(files, out, force)
    if as_json:
        click.echo(json.dumps(json.loads(report)))
    else:
        click.echo(f"wrote:   {', '.join(map(str, paths))}")


def _print_step(name: str) -> None:
    click.echo(f"{name} ...", err=True)


def _print_micro_report(export: "MicroExport") -> None:
    from convert.tflite_micro.interpreter import how_to_install

    click.echo(f"needs:   {', '.join(function.removeprefix('Add') for function in export.operators)}")
    if proof := export.proof:
        click.echo(
            f"arena:   {proof.arena_bytes:,} bytes (tflite-micro {proof.version}, with 64-bit pointers)\n"
            f"labels:  {proof.different_labels} of {proof.images:,} differ from the .tflite file's in digits classify"
        )
    else:
        click.echo(f"arena:   not measured, nothing was run: {how_to_install()}")


def _print_report(export: "CExport") -> None:
    proof = export.proof
    if proof.compiler:
        total = proof.images * len(export.model.labels)
        click.echo(
            f"logits:  {proof.different_logits} of {total:,} differ from {proof.oracle} ({proof.compiler}, "
            f"{proof.images:,} images)\nlabels:  {proof.different_labels} of {proof.images:,} differ from the .tflite file's "
            f"in digits classify"
        )
    else:
        click.echo("logits:  not compared: this machine has no C compiler (cc, gcc or clang, or that of $CC)")
    rows = [
        (budget.target, budget.level, f"{budget.flash_bytes:,}", f"{budget.ram_bytes:,}", f"{budget.stack_bytes:,}")
        for budget in export.budgets
    ]
    click.echo(f"work:    {export.model.multiply_adds:,} multiply-adds an image, at most\n")
    click.echo(text_table(("processor", "compiled with", "flash, bytes", "RAM, bytes", "of it stack"), rows) + "\n")
