"""The card of one released model, as Markdown."""

import math
from collections.abc import Iterable, Sequence
from statistics import mean
from typing import Any

from benchmarks.reporting.tables import Row, as_markdown, microseconds, tail_text
from benchmarks.results.results import BenchResult, ModelResult
from benchmarks.stats.intervals import Ratio, median_ns, tail_ns
from benchmarks.stats.intervals import ratio as ratio_of
from benchmarks.stats.macs import Step, read_steps
from edge_runtime.common.intervals import Accuracy, wilson_interval
from edge_runtime.model.inspection import comparison_line
from edge_runtime.model.model_file import ModelFile
from tools.pages import microcontrollers
from tools.pages.instructions import card_lines
from tools.pages.models.figures import over_seeds
from tools.pages.models.pictures import MOST_SHOWN
from tools.pages.models.releases import SHIPPED_RECIPES, Released, find_result
from tools.release.evaluate import FOLDED_COLUMNS
from tools.release.evaluation import SEEDS, SHIPPED_SEED, SplitEvaluation, class_percents
from tools.release.layout import Layout
from tools.studies.benchmarks.measure_models import TUTORIAL, TUTORIAL_SIMPLIFIED

FLOAT, INT8 = (recipe.name for recipe in SHIPPED_RECIPES)
SHORT = {recipe.name: recipe.short for recipe in SHIPPED_RECIPES}
PURPOSES = {
    "nano": "For devices where every kilobyte of flash counts: its weights and biases fit into 8,192 bytes. It is slower and less accurate "
    "than `small`.",
    "small": "The default model: accurate and quick, in a file of at most 40,000 bytes.",
    "base": "For the fewest mistakes, where 100,000 bytes and several times the time of `small` are acceptable.",
}


def card(release: Released, results: Sequence[BenchResult], layout: Layout) -> str:
    """The whole card, under a heading of the second level."""
    parts = (
        (f"## {release.name}", PURPOSES[release.name]),
        ("### What it is", *_what_it_is(release)),
        ("### How it was trained", *_training(release)),
        ("### Accuracy", *_accuracy(release)),
        ("### By digit", *_by_digit(release, layout)),
        ("### Size", _sizes(release)),
        ("### Latency", *(_latency(release, result) for result in results)),
        *_instructions(release, layout),
        *_microcontrollers(release, layout),
        ("### How to make it again", _commands(release)),
    )
    return "\n\n".join(paragraph for part in parts for paragraph in part)


def steps_of(release: Released) -> list[Step]:
    """The operators of the model's int8 graph."""
    return read_steps(release.files[INT8].flatbuffer)


def _what_it_is(release: Released) -> Iterable[str]:
    steps, file = steps_of(release), release.files[INT8]
    yield (
        f"{release.records[SHIPPED_SEED].parameters:,} parameters in training. {sum(step.constants for step in steps):,} numbers in the "
        "file, where batch normalisation has become part of the weights. "
        f"{sum(step.multiply_adds for step in steps):,} multiply-adds for an image. From {_shape(file.input.shape[1:])} pixel values to "
        f"{len(file.labels)} logits. {_folding(release)}"
    )
    yield as_markdown(("operator", "output", "weights", "numbers", "multiply-adds"), [_step_row(step) for step in steps])


def _folding(release: Released) -> str:
    """How many columns of the image the first convolution of each file takes at once."""
    ints, floats = (_columns(release.files[recipe]) for recipe in (INT8, FLOAT))
    return (
        f"For speed, the first convolution takes {ints} columns of the image as its channels, by filters "
        "that are filled up with zeros ([conversion.md](conversion.md#what-makes-the-files-quick)); those are counted here. The float file "
        f"has the same layers{'' if ints == floats else ', but for a first convolution of one column at a time'}."
    )


def _columns(file: ModelFile) -> int:
    return next(step.weights[-1] for step in read_steps(file.flatbuffer) if step.operator == "CONV_2D")


def _step_row(step: Step) -> Row:
    return (step.operator, _shape(step.output[1:]), _shape(step.weights) or "-", f"{step.constants:,}", f"{step.multiply_adds:,}")


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _training(release: Released) -> Iterable[str]:
    yield f"`train/releases/{release.name}.toml`, with the seeds {_listed(SEEDS)}:"
    yield f"```toml\n{release.config_text}\n```"
    header = ("seed", "epochs", "minutes", "validation accuracy as a Keras model")
    body = [
        (str(record.config.seed), str(len(record.history)), f"{record.seconds / 60:.1f}", count_text(record.validation))
        for record in release.records
    ]
    yield as_markdown(header, body)
    if release.teachers:
        yield f"It was distilled from {len(release.teachers)} networks in `train/releases/teachers/`, beside the labels:"
        yield as_markdown(
            ("teacher", "parameters", "validation accuracy"), [_teacher_row(*teacher) for teacher in release.teachers]
        )


def _teacher_row(name: str, manifest: Any) -> Row:
    parameters = manifest.origin.training.get("parameters")
    return (f"`{name}`", f"{parameters:,}" if parameters else "-", count_text(manifest.accuracy[0].candidate))


def _accuracy(release: Released) -> Iterable[str]:
    seeds = [f"seed {seed}{', ships' * (seed == SHIPPED_SEED)}" for seed in SEEDS]
    header = ("recipe", "images", f"mean of {len(SEEDS)} seeds", "95 % interval of the mean", "standard deviation", *seeds)
    yield as_markdown(
        header, [_accuracy_row(release, recipe, split) for split in ("validation", "test") for recipe in (FLOAT, INT8)]
    )
    manifest = release.files[INT8].manifest
    assert manifest is not None  # read_released took self-describing files alone
    yield f"The shipped int8 file against its Keras model, paired: {comparison_line(manifest.accuracy[1])}."


def _accuracy_row(release: Released, recipe: str, split: str) -> Row:
    found = [file.of(split).accuracy for file in release.evaluated(recipe)]
    spread = over_seeds([accuracy.percent for accuracy in found])
    low, high = spread.interval
    summary = (f"**{spread.mean:.3f} %**", f"{low:.2f} to {high:.2f}", f"{spread.deviation:.3f}")
    return (SHORT[recipe], split, *summary, *(count_text(accuracy) for accuracy in found))


def count_text(accuracy: Accuracy) -> str:
    """Such as `99.36 % (9,936 of 10,000; 99.18 to 99.50)`."""
    low, high = accuracy.interval
    return f"{accuracy.percent:.2f} % ({accuracy.correct:,} of {accuracy.total:,}; {low:.2f} to {high:.2f})"


def _by_digit(release: Released, layout: Layout) -> Iterable[str]:
    shipped = release.shipped(INT8).test
    yield f"The shipped int8 file on the test images, and the mean of {len(SEEDS)} seeds."
    header = ("digit", "images", "recall (95 % interval)", "recall, mean of seeds", "precision")
    yield as_markdown(header, list(_digit_rows(release, shipped)))
    confused, folder = _confused(shipped), layout.pictures.name
    yield f"![Confusion matrix of {release.name} int8 on the test images]({folder}/{release.name}-confusion.png)"
    if not confused:
        return
    yield f"Most often confused: {', '.join(confused)}. {_stubborn(release)}"
    yield f"![The test images that {release.name} int8 gets wrong]({folder}/{release.name}-mistakes.png)"
    shown, wrong = min(len(shipped.mistakes), MOST_SHOWN), len(shipped.mistakes)
    amount = f"All {wrong:,} wrong answers" if shown == wrong else f"The first {shown} of {wrong:,} wrong answers"
    yield f"{amount}: label → prediction, and in grey the number of the test image."


def _digit_rows(release: Released, shipped: SplitEvaluation) -> Iterable[Row]:
    over = [class_percents(file.test) for file in release.evaluated(INT8)]
    for label, row in enumerate(shipped.confusion):
        answers = sum(other[label] for other in shipped.confusion)
        yield (
            str(label),
            f"{sum(row):,}",
            count_text(Accuracy(row[label], sum(row), wilson_interval(row[label], sum(row)))) if sum(row) else "-",
            "-" if math.isnan(percent := mean(found[label] for found in over)) else f"{percent:.2f} %",
            f"{100 * row[label] / answers:.2f} %" if answers else "-",
        )


def _confused(evaluation: SplitEvaluation) -> list[str]:
    """The three most frequent confusions."""
    pairs = [
        (count, label, answer)
        for label, row in enumerate(evaluation.confusion)
        for answer, count in enumerate(row)
        if count and label != answer
    ]
    most = sorted(pairs, key=lambda pair: (-pair[0], *pair[1:]))[:3]
    return [
        f"{label} taken for {answer} ({count} times)" if count > 1 else f"{label} taken for {answer} (once)"
        for count, label, answer in most
    ]


def _stubborn(release: Released) -> str:
    """How many images every seed gets wrong, which another training would not fix."""
    wrong = [{mistake.index for mistake in file.test.mistakes} for file in release.evaluated(INT8)]
    never = len(set.intersection(*wrong))
    return f"Of the {len(wrong[SHIPPED_SEED]):,} images that it gets wrong, {never:,} are wrong with every seed."


def _sizes(release: Released) -> str:
    body = [
        (
            f"`{release.name}-{SHORT[recipe]}.tflite`",
            f"{(file := release.shipped(recipe)).payload_bytes:,}",
            f"{file.scale_bytes:,}",
            f"{len(release.files[recipe].flatbuffer):,}",
            f"{file.file_bytes:,}",
            f"`{file.sha256}`",
        )
        for recipe in (FLOAT, INT8)
    ]
    return as_markdown(("bytes of", "payload", "scales", "FlatBuffer", "file", "sha256 of the file"), body)


def _instructions(release: Released, layout: Layout) -> Iterable[tuple[str, ...]]:
    lines = list(card_lines(layout, release.name, SHIPPED_RECIPES))
    if lines:
        what = "Instructions of one `Classifier.classify`, exact ([instructions.md](results/instructions.md)); they are no times."
        yield ("### Instructions", what, "\n".join(lines))


def _microcontrollers(release: Released, layout: Layout) -> Iterable[tuple[str, ...]]:
    lines = list(microcontrollers.card_lines(layout, release.files[INT8].sha256))
    if lines:
        what = (
            "The int8 file as C by `digits export`, on emulated boards where it fits ([microcontrollers.md](results/microcontrollers.md)); "
            "instructions are the mean of 16 golden images, and no times. The emulated Cortex-M0+ has 16 KB of RAM, a Pico more."
        )
        yield ("### On microcontrollers", what, "\n".join(lines))


def _latency(release: Released, result: BenchResult) -> str:
    header = (
        f"on {result.machine.board}",
        "p50",
        "p90",
        "p99 (95 % interval)",
        "p50 over the tutorial network's (95 % interval)",
    )
    body, verdicts = [], []
    for recipe in (FLOAT, INT8):
        found, reference = (find_result(result, name, recipe) for name in (release.name, TUTORIAL))
        ratio, simplified = ratio_of(found, reference), find_result(result, TUTORIAL_SIMPLIFIED, recipe)
        body += [_latency_row(found, _ratio_text(ratio)), _latency_row(reference, "1")]
        body.append(_latency_row(simplified, _ratio_text(ratio_of(simplified, reference))))
        verdicts.append(f"as {SHORT[recipe]} {_verdict(ratio)}")
    return f"{as_markdown(header, body)}\n\nIn the same run as the network of TensorFlow's tutorial: {', '.join(verdicts)}."


def _latency_row(model: ModelResult, ratio: str) -> Row:
    times = microseconds(median_ns(model.median_turns)), microseconds(tail_ns(model, 90)), tail_text(model, 99)
    return (f"{model.name} {SHORT[model.recipe]}", *times, ratio)


def _ratio_text(ratio: Ratio) -> str:
    return f"{ratio.value:.3f}" + (f" ({ratio.interval[0]:.3f} to {ratio.interval[1]:.3f})" if ratio.interval else "")


def _verdict(ratio: Ratio) -> str:
    if ratio.interval is None:
        return "a single process gives no verdict"
    low, high = ratio.interval
    if low <= 1 <= high:
        return "no difference was found"
    return "it is faster" if high < 1 else "it is slower"


def _commands(release: Released) -> str:
    name, record = release.name, release.records[SHIPPED_SEED]
    lines = (
        (f"digits train --release {name} --seed {SHIPPED_SEED}", f"trains it again, into runs/{name}-seed{SHIPPED_SEED}"),
        (
            f"digits convert runs/{name}-seed{SHIPPED_SEED}/model.keras --name {name} --fold-columns {FOLDED_COLUMNS[name]}",
            "by every recipe",
        ),
        (f"python -m tools.release.evaluate {name} {SHIPPED_SEED}", "the shipped files from the committed weights"),
        ("make pages", "this page"),
    )
    width = max(len(command) for command, _ in lines)
    versions = ", ".join(f"{package} {found}" for package, found in sorted(record.versions.items()))
    listed = "\n".join(f"{command:<{width}}  # {what}" for command, what in lines)
    return (
        f"```sh\n{listed}\n```\n\nTrained with {versions}. Another machine or version gives other weights, whose accuracy "
        "differs as between seeds."
    )


def _listed(items: Sequence[object]) -> str:
    return f"{', '.join(map(str, items[:-1]))} and {items[-1]}"
