"""Tables of docs/results/microcontrollers.md: flash, RAM and instructions of exported C code."""

from collections.abc import Iterator

from benchmarks.reporting.tables import as_markdown
from edge_runtime.common.json_codec import read_json
from tools.release.layout import Layout
from tools.studies.conversion import microcontrollers, same_logits
from tools.studies.conversion.microcontrollers import ExportedModel, MicrocontrollerResult, OnBoard
from tools.studies.conversion.same_logits import SameLogitsResult

PICO_MHZ = 133
NAMES = {
    "cortex-m0plus": "Cortex-M0+ (Raspberry Pi Pico)",
    "cortex-m3": "Cortex-M3",
    "cortex-m4": "Cortex-M4",
    "cortex-m33": "Cortex-M33 (Raspberry Pi Pico 2)",
    "rv32imac": "RISC-V, rv32imac",
}
_SMALLEST = "cortex-m0plus"


def sizes(layout: Layout) -> str:
    """Accuracy, flash and RAM of each model on the smallest processor."""
    return size_table(_read(layout))


def instructions(layout: Layout) -> str:
    """Instructions of an image on each processor."""
    return instruction_table(_read(layout))


def logits(layout: Layout) -> str:
    """Logits that differ between C code, LiteRT's reference kernels and TFLite Micro, on all test images."""
    return logit_table(read_json(SameLogitsResult, layout.results / same_logits.RESULT))


def logit_table(found: SameLogitsResult) -> str:
    """Counts of differing logits and labels as Markdown."""
    header = (
        "model",
        "logits compared",
        "C code, LiteRT's reference kernels",
        "C code of `--rounding tflm`, TFLite Micro",
        "LiteRT's reference kernels, TFLite Micro",
        "labels: LiteRT's reference kernels, XNNPACK",
        "labels: TFLite Micro, XNNPACK",
    )
    rows = [
        (
            f"`{model.name}` {model.recipe}",
            f"{model.logits:,}",
            f"{model.c_from_litert:,}",
            f"{model.c_from_tflm:,}",
            f"{model.litert_from_tflm:,}",
            f"{model.litert_labels:,} of {model.labels:,}",
            f"{model.tflm_labels:,} of {model.labels:,}",
        )
        for model in found.models
    ]
    largest = max(model.largest for model in found.models)
    versions = " and ".join(f"{name} {version}" for name, version in sorted(found.versions.items()))
    return f"{as_markdown(header, rows)}\n\nNo difference is larger than {largest} step{'s' * (largest > 1)}. {versions}."


def card_lines(layout: Layout, sha256: str) -> Iterator[str]:
    """Flash, RAM and instructions of a model as C, for its card; nothing if the FlatBuffer of that hash was not measured."""
    if not (layout.results / microcontrollers.RESULT).exists():
        return
    for model in _read(layout).models:
        if model.sha256 == sha256:
            for processor in dict.fromkeys(board.processor for board in model.boards):
                yield _card_line(*_pair(model, processor))


def _card_line(fast: OnBoard, small: OnBoard) -> str:
    return (
        f"- {NAMES[fast.processor]}: {fast.flash_bytes:,} B of flash, {fast.static_bytes + fast.stack_bytes:,} B of RAM with stack, "
        f"{_mean(fast) / 1e6:.2f} M instructions an image by `-O2`; {small.flash_bytes:,} B of flash, "
        f"{_mean(small) / 1e6:.2f} M instructions by `-Os`."
    )


def _read(layout: Layout) -> MicrocontrollerResult:
    return read_json(MicrocontrollerResult, layout.results / microcontrollers.RESULT)


def size_table(found: MicrocontrollerResult) -> str:
    """Flash, RAM and constants as Markdown: of Cortex-M0+, or of the first processor where the model fits."""
    header = ("model", "test accuracy", "weights and constants", "flash, `-O2`", "flash, `-Os`", "RAM with stack", "processor")
    rows = []
    for model in found.models:
        fast, small = _pair(model, model.boards[0].processor)
        rows.append(
            (
                f"`{model.name}` {model.recipe}",
                f"{100 * model.correct / model.total:.2f} %",
                f"{model.constant_bytes:,} B",
                f"{fast.flash_bytes:,} B",
                f"{small.flash_bytes:,} B",
                f"{fast.static_bytes + fast.stack_bytes:,} B",
                fast.processor,
            )
        )
    return as_markdown(header, rows)


def instruction_table(found: MicrocontrollerResult) -> str:
    """Million instructions of an image as Markdown: the mean of the golden images, and an image of noise."""
    processors = list(dict.fromkeys(board.processor for model in found.models for board in model.boards))
    header = ("model", "multiply-adds", *(f"{processor}, `-O2`" for processor in processors))
    rows = [
        (
            f"`{model.name}` {model.recipe}",
            f"{model.multiply_adds / 1e6:.2f} M",
            *(_cell(model, processor) for processor in processors),
        )
        for model in found.models
    ]
    estimates = ", ".join(
        f"{1e-3 * _mean(_pair(model, _SMALLEST)[0]) / PICO_MHZ:.0f} ms for `{model.name}` {model.recipe}"
        for model in found.models
        if _pair(model, _SMALLEST)
    )
    compilers = " and ".join(f"{name} {version}" for name, version in sorted(found.compilers.items()))
    return (
        f"{as_markdown(header, rows)}\n\nMillion instructions of an image: the mean of 16 golden images, in brackets an image of noise. "
        f"{compilers}.\n\nAt one instruction a cycle and {PICO_MHZ} MHz, a Pico's usual clock, that would be {estimates}: estimates, "
        "since loads take two cycles and flash is cached. No board was timed."
    )


def _pair(model: ExportedModel, processor: str) -> tuple[OnBoard, ...]:
    """What a processor does by -O2 and by -Os; empty if the model does not fit."""
    return tuple(board for board in model.boards if board.processor == processor)


def _mean(board: OnBoard) -> float:
    return sum(board.instructions) / len(board.instructions)


def _cell(model: ExportedModel, processor: str) -> str:
    pair = _pair(model, processor)
    return f"{_mean(pair[0]) / 1e6:.2f} ({pair[0].dense_instructions / 1e6:.2f})" if pair else "does not fit"
