"""The hash of what the table of operators follows from."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.release.operators.inputs import HASH, fingerprint, inputs, is_proven

ENVIRONMENTS = "convert/compatibility/runtime_environments.py"
"""No input: it only makes environments."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what may be an input, that a test may change."""
    for path in [*inputs(), ROOT / "train" / "data" / "mnist.npz", ROOT / "constraints.txt", ROOT / ENVIRONMENTS]:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return tmp_path


def test_what_makes_runs_and_judges_files_is_an_input() -> None:
    """Also what is imported by way of others, within a function too; not what only makes environments."""
    names = {str(path.relative_to(ROOT)) for path in inputs()}
    assert {
        "tools/release/operators/zoo.py",
        "tools/release/operators/run.py",
        "tools/release/operators/prove.py",
        "edge_runtime/model/graph.py",
    } <= names
    assert {
        "convert/source/tf_converter.py",
        "convert/source/simplify.py",
        "convert/quantization/quantizer.py",
        "convert/quantization/recipes.py",
        "convert/quantization/activation_ranges.py",
        "convert/flatbuffer/space_to_depth.py",
    } <= names
    assert not names & {ENVIRONMENTS, "tools/support/environments.py", "convert/cli.py"}


@pytest.mark.parametrize(
    "name", ["convert/source/simplify.py", "tools/release/operators/zoo.py", "edge_runtime/model/graph.py", "train/data/mnist.npz"]
)
def test_a_changed_input_has_to_be_proven_again(checkout: Path, name: str) -> None:
    """Even by a byte."""
    (checkout / HASH).write_text(fingerprint(checkout) + "\n")
    assert is_proven(checkout)
    with (checkout / name).open("ab") as file:
        file.write(b"\n")
    assert not is_proven(checkout)


def test_another_release_of_what_makes_files_has_to_be_proven(checkout: Path) -> None:
    """And other packages' do not."""
    before, pins = fingerprint(checkout), checkout / "constraints.txt"
    pins.write_text(pins.read_text() + "other==1\n")
    assert fingerprint(checkout) == before
    pins.write_text(pins.read_text().replace("tensorflow==", "tensorflow==9"))
    assert fingerprint(checkout) != before


def test_what_is_no_input_changes_nothing(checkout: Path) -> None:
    """How environments are made."""
    before = fingerprint(checkout)
    (checkout / ENVIRONMENTS).write_text("")
    assert fingerprint(checkout) == before


def test_without_a_noted_hash_nothing_is_proven(checkout: Path) -> None:
    """As in a checkout where nobody has proven anything yet."""
    assert not is_proven(checkout)
