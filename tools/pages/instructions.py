"""Tables of docs/results/instructions.md, and what the model cards say of instructions."""

from collections.abc import Iterable, Iterator

from benchmarks.reporting.tables import as_markdown
from convert.quantization.recipes import Recipe
from tools.release.layout import Layout
from tools.studies.device.instructions import RESULT, read_instructions

NAMES = {"cortex-a72": "Cortex-A72 (Raspberry Pi 4)", "cortex-a76": "Cortex-A76 (Raspberry Pi 5)"}
SHOWN = ("ai-edge-litert", "numpy", "pillow", "Python", "glibc", "QEMU")


def pixels_to_label(layout: Layout) -> str:
    """`Classifier.classify`, by model and board."""
    found = read_instructions(layout)
    body = [(_title(name), *(f"{found.boards[cpu].models[name].pixels:,}" for cpu in NAMES)) for name in found.models_sha256]
    return as_markdown(("model", *NAMES.values()), body)


def photo_to_label(layout: Layout) -> str:
    """Reading the photo, alone and with a model, by board."""
    found = read_instructions(layout)
    alone = ("no model: `read_picture`", *(f"{found.boards[cpu].photo:,}" for cpu in NAMES))
    body = [(_title(name), *(f"{found.boards[cpu].models[name].label:,}" for cpu in NAMES)) for name in found.models_sha256]
    return as_markdown(("model", *NAMES.values()), [alone, *body])


def counted_with(layout: Layout) -> str:
    """Versions of what ran."""
    found = read_instructions(layout)
    versions = ", ".join(f"{name} {found.versions[name]}" for name in SHOWN)
    return f"Counted with {versions}: `benchmarks/reference/{RESULT}`."


def card_lines(layout: Layout, name: str, recipes: Iterable[Recipe]) -> Iterator[str]:
    """What the shipped files of a model take, for its card; nothing where no instructions were counted."""
    if not (layout.results / RESULT).exists():
        return
    found = read_instructions(layout)
    for cpu, title in NAMES.items():
        models = found.boards[cpu].models
        counts = ", ".join(f"{models[recipe.file_name(name)].pixels:,} as {recipe.short}" for recipe in recipes)
        yield f"- On an emulated {title}: {counts}."


def _title(name: str) -> str:
    return " ".join(name.removesuffix(".tflite").rsplit("-", 1))
