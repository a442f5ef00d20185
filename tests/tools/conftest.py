"""Fixtures of the tests of `tools`: a released model in small, trained, evaluated, measured and described by the scripts themselves."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import for_all, invent_digits, made_once
from tests.samples import arrays_of, write_npz
from tools.release.evaluation import SEEDS, seed_folder
from tools.release.layout import Layout
from train.data import Dataset

CONFIG = '# Tiny.\nmodel = "cnn"\nconvolutions = "8k5s2v,16k3s2,24k3"\nepochs = 8\nbatch_size = 32\nlearning_rate = 0.01\n'


@pytest.fixture(scope="session")
def many() -> Dataset:
    """600 invented training digits, and 2,000 test digits: enough for the gate to let a good model pass.

    Twenty test labels are wrong, so that every network makes mistakes, on whatever CPU it was trained.
    """
    images, labels = invent_digits(2_000, seed=2)
    labels[:20] = (labels[:20] + 1) % 10
    return for_all(Dataset("invented", *invent_digits(600, seed=1), images, labels))


@pytest.fixture(scope="session")
def many_file(many: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as an .npz."""
    return write_npz(tmp_path_factory.mktemp("data") / "many.npz", arrays_of(many))


def _stage(name: str, before: Layout | None, work: Callable[[Layout], None], factory: pytest.TempPathFactory) -> Layout:
    """A checkout after a stage's work, in a folder of its own: another process may be copying the one before. No test changes it."""

    def make(folder: Path) -> None:
        if before:
            shutil.copytree(before.root, folder)
        work(Layout(folder))

    return Layout(made_once(f"checkout-{name}", make, factory))


@pytest.fixture(scope="session")
def trained(many: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A checkout with the runs of nano, three seeds of it."""
    from train.config.config_file import read_config
    from train.loop.trainer import train_run

    def work(layout: Layout) -> None:
        layout.releases.mkdir(parents=True)
        config = layout.releases / "nano.toml"
        config.write_text(CONFIG)
        for seed in SEEDS:
            train_run(read_config(config, seed=seed), many, seed_folder(layout.releases, "nano", seed), quiet=True)

    return _stage("trained", None, work, tmp_path_factory)


@pytest.fixture(scope="session")
def evaluated(trained: Layout, many_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The same with evaluations and shipped files, by the script."""
    from tools.release.evaluate import main

    def work(layout: Layout) -> None:
        for seed in SEEDS:
            main(["nano", str(seed), "--data", str(many_file)], layout)

    return _stage("evaluated", trained, work, tmp_path_factory)


@pytest.fixture(scope="session")
def described(evaluated: Layout, many_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The same with a measurement and the page, by the scripts."""
    from tools.pages.catalogue import model_cards
    from tools.pages.outputs import update
    from tools.studies.benchmarks.measure_models import main as measure

    def work(layout: Layout) -> None:
        measure(["nano", "--board", "Pi 4", "--samples", "200", "--data", str(many_file)], layout)
        update(model_cards(["nano"], layout, many_file), check=False)

    return _stage("described", evaluated, work, tmp_path_factory)
