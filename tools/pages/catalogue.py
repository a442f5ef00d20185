"""Every page that is written from committed results, and the tables on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.pages import (
    benchmarking,
    conversion,
    instructions,
    microcontrollers,
    photos,
    readme,
    runtimes,
    scaling,
    serving,
    speed,
    training,
)
from tools.pages.models.page import models_page
from tools.pages.models.pictures import Picture
from tools.pages.outputs import Output, TextFile, filled
from tools.release.layout import Layout
from train.config.config_file import RELEASED
from train.data import load_dataset

TABLES: dict[str, tuple[Callable[[Layout], str], ...]] = {
    "README.md": (readme.released,),
    "docs/results/training.md": (training.ablation, training.choices, training.quick, training.commands),
    "docs/results/conversion.md": (conversion.int8, conversion.int4, conversion.budgets, conversion.folding),
    "docs/results/microcontrollers.md": (microcontrollers.sizes, microcontrollers.logits, microcontrollers.instructions),
    "docs/results/runtimes.md": (runtimes.operators,),
    "docs/results/photos.md": (
        photos.accuracy,
        photos.crops,
        photos.corruptions,
        photos.lines,
        photos.line_model,
        photos.out_of_distribution,
        photos.confidence,
    ),
    "docs/results/serving.md": (serving.speed, serving.soak),
    "docs/results/speed.md": (speed.promises, speed.large_photos),
    "docs/results/instructions.md": (instructions.pixels_to_label, instructions.photo_to_label, instructions.counted_with),
    "docs/results/benchmarks.md": (
        benchmarking.demo,
        benchmarking.against,
        benchmarking.limits,
        benchmarking.proof,
        benchmarking.emulated,
    ),
    "docs/results/scaling.md": (scaling.training, scaling.limits, scaling.classification),
}
"""The tables of each page: each function's name is that of the marks which its text goes between."""


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
        **{name: lambda layout, name=name: [_page(name, layout)] for name in TABLES},  # type: ignore[misc]
        "docs/models.md": lambda layout: model_cards(RELEASED, layout, None),
        "docs/photos.png": lambda layout: [PhotoExamples(layout.root / "docs" / "photos.png")],
    }


def model_cards(names: Sequence[str], layout: Layout, data: Path | None) -> list[Output]:
    """docs/models.md and its pictures.

    Raises:
        DataError: a source is missing, damaged, or does not belong to the others.
    """
    text, pictures = models_page(names, load_dataset(data), layout)
    return [*(PictureFile(layout.pictures, picture) for picture in pictures), TextFile(layout.page, text)]


def _page(name: str, layout: Layout) -> TextFile:
    path = layout.root / name
    return TextFile(path, filled(path.read_text(), {table.__name__: table(layout) for table in TABLES[name]}, path.name))
