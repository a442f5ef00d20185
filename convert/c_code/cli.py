"""The command `digits export`.

A composition root: it may import any package, and nobody imports it.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli_options import ModelCommand
from edge_runtime.common.atomic_files import refuse_to_overwrite
from edge_runtime.common.text_table import text_table
from train.cli_options import data_option

if TYPE_CHECKING:
    from convert.c_code.export import CExport


@click.command("export", cls=ModelCommand, epilog="Example: digits export small --out firmware")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--format", "_format", type=click.Choice(["c"]), default="c", show_default=True, help="What to write: C99.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Folder to write to.  [default: the current one]")
@click.option("--name", help="Name in files and identifiers, digits_NAME.  [default: the model's own]")
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
    _format: str,
    out: Path,
    name: str | None,
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
    """
    from convert.c_code.c_text import identifier
    from convert.c_code.export import check_export, export_c, store_export
    from edge_runtime.model.model_file import read_model_file
    from train.data import load_dataset

    checked = read_model_file(model)
    refuse_to_overwrite(out / f"{identifier(name or checked.name)}.c", force)
    export = export_c(checked, load_dataset(data_path).validation.images[:images], name=name, step=_print_step)
    if not as_json:
        _print_report(export)
    check_export(export, max_flash, max_ram)
    paths = store_export(export, out, force)
    if as_json:
        click.echo(json.dumps(json.loads(export.report)))
    else:
        click.echo(f"wrote:   {', '.join(map(str, paths))}")


def _print_step(name: str) -> None:
    click.echo(f"{name} ...", err=True)


def _print_report(export: "CExport") -> None:
    proof = export.proof
    if proof.compiler:
        total = proof.images * len(export.model.labels)
        click.echo(
            f"logits:  {proof.different_logits} of {total:,} differ from LiteRT's reference kernels ({proof.compiler}, "
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
