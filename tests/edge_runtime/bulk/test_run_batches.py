"""Millions of images over dask workers: real schedulers, real workers, and their deaths."""

import contextlib
import csv
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow.parquet
import pytest
from dask.distributed import Client

from edge_runtime.distributed import cluster
from edge_runtime.preprocessing.image_files import png_bytes
from tests.clusters import loaded, prepare, running
from tests.commands import Answer, digits, one_line
from tests.conftest import ROOT
from tools.support.local_cluster import Cluster, local_cluster
from tools.support.waiting import PATIENCE, until
from train.data import Dataset

pytestmark = pytest.mark.slow
COUNT = 50_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, mnist: Dataset) -> Path:
    """50,000 images in an .npy; 300 as files, of which one is broken; 300 in a packed .npz; 300 in Parquet."""
    place = tmp_path_factory.mktemp("images")
    np.save(place / "many.npy", np.concatenate([mnist.x_test] * (COUNT // 10_000)))
    np.savez_compressed(place / "few.npz", x=mnist.x_test[:300])
    encoded = [png_bytes(image) for image in mnist.x_test[:300]]
    pyarrow.parquet.write_table(pyarrow.table({"image": encoded}), place / "few.parquet", row_group_size=100)
    (place / "pictures").mkdir()
    for number, content in enumerate(encoded):
        (place / "pictures" / f"{number:03}.png").write_bytes(b"broken" if number == 100 else content)
    return place


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers for the tests that kill none of them."""
    with local_cluster(tmp_path_factory.mktemp("pair"), workers=2) as real:
        yield real


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@contextlib.contextmanager
def _in_background(*words: object) -> Iterator[list[Answer]]:
    """A `digits classify` while the test does something else; its answer at the end."""
    found: list[Answer] = []
    command = [sys.executable, "-m", "edge_runtime.cli", "classify", *map(str, words)]

    def run() -> None:
        child = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        found.append(Answer(child.returncode, child.stdout, child.stderr))

    thread = Thread(target=run, daemon=True)
    thread.start()
    yield found
    thread.join(PATIENCE)


def test_workers_answer_what_this_process_answers(pair: Cluster, folder: Path) -> None:
    """Every kind of source, in order, the broken picture included; each of two real workers has loaded the model once."""
    words = [folder / "many.npy", folder / "pictures", folder / "few.npz", folder / "few.parquet", f"{folder}/pictures/*7.png"]
    with Client(pair.address) as client:
        client.run(prepare, "")
        here = digits("classify", *words, "--out", folder / "here.csv")
        there = digits("classify", *words, "--out", folder / "there.csv", "--scheduler", pair.address)
        assert list(client.run(loaded).values()) == [1, 1]
    assert (here.code, there.code) == (4, 4)
    assert [line for line in there.err.splitlines() if line.startswith("digits:")] == [
        f"digits: {folder}/pictures/100.png: is not a PNG, JPEG, BMP, GIF, WebP or TIFF image"
    ]
    assert (folder / "here.csv").read_bytes() == (folder / "there.csv").read_bytes()
    assert len(_rows(folder / "there.csv")) == COUNT + 930


def test_relative_paths_and_standard_input_are_found(pair: Cluster, folder: Path) -> None:
    """Workers run in other folders; names in the answers are those that were given."""
    command = [
        sys.executable,
        "-m",
        "edge_runtime.cli",
        "classify",
        "few.npz",
        "-",
        "--out",
        "r.parquet",
        "--scheduler",
        pair.address,
    ]
    names = "pictures/007.png\npictures/100.png\n"
    child = subprocess.run(command, input=names, capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": str(ROOT)})
    assert child.returncode == 4, child.stderr
    rows = pyarrow.parquet.ParquetFile(folder / "r.parquet").read().to_pylist()
    assert [row["source"] for row in rows[-3:]] == ["few.npz[299]", "pictures/007.png", "pictures/100.png"]
    assert rows[-1]["label"] is None


def test_a_worker_that_is_killed_costs_a_retry_and_no_image(tmp_path: Path, folder: Path) -> None:
    """Two real workers, one killed in the middle of a piece: all images are answered, in order, as in this process."""
    assert digits("classify", folder / "many.npy", "--out", tmp_path / "here.csv").code == 0
    with local_cluster(tmp_path, workers=2) as real, Client(real.address) as client:
        words = (folder / "many.npy", "--out", tmp_path / "there.csv", "--scheduler", real.address)
        client.run(prepare, "", str(tmp_path / "go on"))
        with _in_background(*words) as found:
            until(lambda: len(running(client)) == 2)
            real.workers["worker0"].send_signal(signal.SIGKILL)
            assert real.workers["worker0"].wait(PATIENCE) == -signal.SIGKILL
            (tmp_path / "go on").touch()
    assert (found[0].code, found[0].out) == (0, ""), found
    assert f"{COUNT:,} images, " in found[0].err
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_images_that_end_every_worker_are_named_and_the_others_answered(tmp_path: Path, folder: Path) -> None:
    """Rows with an error, one line with the first and the last of the piece, exit 4. A piece beside it may lose a worker or two too."""
    with local_cluster(tmp_path, workers=5) as real, Client(real.address) as client:
        client.run(prepare, "pictures/299.png")
        words = (folder / "few.npz", folder / "pictures", "--out", tmp_path / "r.csv", "--scheduler", real.address)
        answer = digits("classify", *words)
    assert answer.code == 4
    line = next(line for line in answer.err.splitlines() if "workers" in line)
    assert line.startswith(f"digits: {folder}/pictures/256.png to {folder}/pictures/299.png: ended 4 workers in a row")
    rows = _rows(tmp_path / "r.csv")
    assert len(rows) == 600
    assert [bool(row["error"]) for row in rows] == [number == 400 or number >= 556 for number in range(600)]


def test_images_that_leave_no_worker_are_named_in_an_error(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while in which another one could have come; nothing is left of the file."""
    monkeypatch.setattr(cluster, "WORKER_SECONDS", 5)
    with local_cluster(tmp_path, workers=1) as real, Client(real.address) as client:
        client.run(prepare, "pictures/000.png")
        answer = digits("classify", folder / "pictures", "--out", tmp_path / "out" / "r.csv", "--scheduler", real.address)
    line = one_line(answer, 1)
    assert "the scheduler has had no workers for 5 s" in line
    assert f"{folder}/pictures/000.png to {folder}/pictures/255.png" in line
    assert list((tmp_path / "out").iterdir()) == []


def test_a_worker_that_does_not_see_the_folder_is_told(pair: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is this side that means another one."""
    monkeypatch.setattr("edge_runtime.bulk.batches.Plan.samples", lambda _: [Path("/nowhere/images.npy")])
    answer = digits("classify", folder / "few.npz", "--out", folder / "not.csv", "--scheduler", pair.address)
    line = one_line(answer, 1)
    assert "does not find /nowhere/images.npy; images are not sent to workers" in line
    assert line.startswith("digits: worker ")


def test_a_worker_of_another_version_is_refused(pair: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the client connects; one that comes later, by what it is asked to load."""
    monkeypatch.setattr("edge_runtime.bulk.worker.__version__", "9.9.9")
    words = ("classify", folder / "few.npz", "--out", folder / "not.csv", "--scheduler", pair.address)
    assert "expected 9.9.9; install the same version" in one_line(digits(*words), 1)
    monkeypatch.setattr("edge_runtime.distributed.machines.Requirements.check_workers", lambda *_: None)
    assert "expected 9.9.9; install the same version" in one_line(digits(*words), 1)
    assert not (folder / "not.csv").exists()


def test_nobody_at_the_address_is_told_in_bounded_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is written."""
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    words = ("classify", folder / "few.npz", "--out", folder / "not.csv", "--scheduler")
    assert "no dask scheduler answers" in one_line(digits(*words, "tcp://127.0.0.1:1"), 1)
    assert "expected an address" in one_line(digits(*words, "nonsense"), 2)
    assert not [path for path in folder.iterdir() if "not.csv" in path.name]


def test_ctrl_c_leaves_no_half_file_and_frees_the_workers(pair: Cluster, folder: Path, tmp_path: Path) -> None:
    """Pieces that wait are cancelled."""
    code = "import signal; from edge_runtime.cli import main; signal.signal(signal.SIGINT, signal.default_int_handler); main()"
    words = ["classify", folder / "many.npy", "--model", "base", "--out", tmp_path / "r.csv", "--scheduler", pair.address]
    with Client(pair.address) as client:
        client.run(prepare, "", str(folder / "go on"))
        with subprocess.Popen([sys.executable, "-c", code, *map(str, words)], cwd=ROOT) as child:
            until(lambda: len(running(client)) == 2)
            child.send_signal(signal.SIGINT)
            assert child.wait(PATIENCE) == 1
        (folder / "go on").touch()
        until(lambda: not running(client))
    assert list(tmp_path.iterdir()) == []
