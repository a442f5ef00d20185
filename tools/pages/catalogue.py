"""Every page that is written from committed results, and the tables on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.pages import benchmarking, conversion, photos, readme, runtimes, scaling, serving, speed, training
from tools.pages.models.page import models_page
from tools.pages.models.pictures import Picture
from tools.pages.outputs import Output, Table, TextFile, filled, results_page
from tools.release.layout import Layout
from train.config.config_file import RELEASED
from train.data import load_dataset

Section = tuple[str, str, Callable[[Layout], str]]
RESULTS: dict[str, tuple[str, tuple[Section, ...]]] = {
    "training": (
        "Results: training",
        (
            (
                "What each part of the recipe is worth",
                "Validation images; each row changes one thing in the recipe of [training.md](../training.md).",
                training.ablation,
            ),
            (
                "How the released models were chosen",
                "Trials by which networks and settings were chosen: one seed each unless two are named, validation images, best first; "
                "two seeds of one recipe differ by up to 0.0013 in cross-entropy.",
                training.choices,
            ),
            (
                "digits train cnn --quick",
                "Seconds and accuracy of the quick recipe; it was chosen on validation images, among some 20 networks and rates.",
                training.quick,
            ),
            ("How to make it again", "In this order; `make help` says how long the long ones take.", training.commands),
        ),
    ),
    "conversion": (
        "Results: conversion",
        (
            (
                "int8 against fp32",
                "Accuracy of the released models on all test images by plain LiteRT, mean of three seeds, without quantisation-aware "
                "training.",
                conversion.int8,
            ),
            (
                "int4 against fp32",
                "After quantisation-aware training, on all test images: *drop* is the mean over seeds in percentage points, *p* McNemar's "
                "exact test of each seed's file against its float model, *of int8's* the share of the released int8 file's payload.",
                conversion.int4,
            ),
            (
                "int4 within a budget of bytes",
                "Budgets count payload (weights and biases); *published* is BitNetMCU's accuracy of its best epoch on test images, ours "
                "are means of three seeds.",
                conversion.budgets,
            ),
            (
                "Columns of the first convolution (--fold-columns)",
                "Median time of one image and payload, the files in turns; in bold what was released.",
                conversion.folding,
            ),
        ),
    ),
    "runtimes": (
        "Results: operators by runtime",
        (
            (
                "Operators that do not run in every release",
                "From `convert/compatibility/proven_operators.json`, which `make operators` writes "
                "([runtimes.md](../runtimes.md) says how).",
                runtimes.operators,
            ),
        ),
    ),
    "photos": (
        "Results: photos",
        (
            (
                "Accuracy on photos",
                "Each test image as one photo by the generator in `tests/photos.py`; *kept* is the accuracy on photos as a share "
                "of that on the originals, and the fonts are Debian's handwriting fonts, each digit in 24 such photos.",
                photos.accuracy,
            ),
            (
                "Warnings `unlike any digit`",
                "Share of pictures with the warning: false alarms in the first two columns, then pictures that are no digits, of fonts and "
                "seeds that the score was not chosen on.",
                photos.out_of_distribution,
            ),
        ),
    ),
    "serving": (
        "Results: serving",
        (
            (
                "Throughput and latency",
                "`python -m tools.studies.serving.measure_serving`, over loopback; client and server share the cores.",
                serving.speed,
            ),
            (
                "Half a million requests",
                "`make soak BOARD=...`: requests of all kinds, invalid ones too; none may be answered wrongly.",
                serving.soak,
            ),
        ),
    ),
    "speed": (
        "Results: speed on the device",
        (
            (
                "Promises",
                "Ratios of two things that took turns in one run (`make device-figures`): `classify` beside the same "
                "interpreter called bare, processes from start to end, batches on as many threads as there are cores, and ONNX Runtime "
                "with the weights of the same Keras file; `x86_64` has no AVX-512 and was measured before the models' first "
                "convolution took several columns.",
                speed.promises,
            ),
            (
                "A photo of 12 megapixels",
                "Until it is a digit of 28x28 pixels, beside three ways of shrinking it with Pillow alone.",
                speed.large_photos,
            ),
        ),
    ),
    "benchmarks": (
        "Results: benchmarks",
        (
            (
                "make demo",
                "One run, which trains for a few epochs; *payload* is the bytes of weights and biases ([plot](../latency.png)).",
                benchmarking.demo,
            ),
            (
                "Alternatives",
                "From a uint8 image to a class, all in turns on the same images and threads "
                "([benchmarking.md](../benchmarking.md#alternatives)).",
                benchmarking.against,
            ),
            (
                "Limits, operators and MLPerf LoadGen",
                "How each is measured: [benchmarking.md](../benchmarking.md#further-measurements).",
                benchmarking.limits,
            ),
            (
                "Repeatability",
                "291 runs of `digits bench`: whole runs in a row, pairs of runs with nothing changed, and pairs of which the second was "
                "slowed by 5 % (`make bench-proof`).",
                benchmarking.proof,
            ),
            (
                "Emulated boards",
                "Receipts of `digits verify` in QEMU (`make emulated-reference`): function, no times.",
                benchmarking.emulated,
            ),
        ),
    ),
    "scaling": (
        "Results: many workers",
        (
            (
                "Training",
                "`python -m tools.studies.training.scaling`: a real scheduler and two real workers, processes of one machine that "
                "talk over its loopback, so without the cost of a network.",
                scaling.training,
            ),
            (
                "What would limit 1,000 workers",
                "An estimate from the figures above, not a measurement: nobody has run this with more than a handful of workers.",
                scaling.limits,
            ),
            (
                "Classification",
                "`python -m tools.studies.device.run_batches`: client, scheduler and workers share the cores of one machine; what "
                "client and scheduler spend on an image limits how many workers they can feed.",
                scaling.classification,
            ),
        ),
    ),
}


@dataclass(frozen=True)
class PictureFile:
    """A picture of the model cards."""

    folder: Path
    picture: Picture

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / self.picture.name

    def is_current(self) -> bool:
        """Whether the file shows these figures."""
        return self.picture.is_drawn_in(self.folder)

    def content(self) -> bytes:
        """The PNG."""
        return self.picture.content()


@dataclass(frozen=True)
class PhotoExamples:
    """The picture of explained photos.

    Pixels may differ between machines, so only a missing file is out of date: delete it to draw it anew.
    """

    path: Path

    def is_current(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def content(self) -> bytes:
        """The PNG."""
        return photos.picture()


def pages() -> dict[str, Callable[[Layout], list[Output]]]:
    """The pages of a checkout by their paths: each gives the files that it consists of."""
    return {
        "README.md": _readme,
        "docs/models.md": lambda layout: model_cards(RELEASED, layout, None),
        "docs/photos.png": lambda layout: [PhotoExamples(layout.root / "docs" / "photos.png")],
        **{f"docs/results/{name}.md": lambda layout, name=name: [_results(name, layout)] for name in RESULTS},  # type: ignore[misc]
    }


def model_cards(names: Sequence[str], layout: Layout, data: Path | None) -> list[Output]:
    """docs/models.md and its pictures.

    Raises:
        DataError: a source is missing, damaged, or does not belong to the others.
    """
    text, pictures = models_page(names, load_dataset(data), layout)
    return [*(PictureFile(layout.pictures, picture) for picture in pictures), TextFile(layout.page, text)]


def _readme(layout: Layout) -> list[Output]:
    path = layout.root / "README.md"
    return [TextFile(path, filled(path.read_text(), {"released": readme.released(layout)}, path.name))]


def _results(name: str, layout: Layout) -> TextFile:
    title, sections = RESULTS[name]
    tables = [Table(heading, sentence, lambda body=body: body(layout)) for heading, sentence, body in sections]  # type: ignore[misc]
    return TextFile(layout.page.parent / "results" / f"{name}.md", results_page(title, tables))
