"""Receipts: written, read back with suspicion, and compared over boards; `digits verify --all-images` and `digits receipts`."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.common.intervals import Accuracy, wilson_interval
from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.device.receipts import AllImages, Receipt, compare, read_receipt, sealed
from edge_runtime.device.verification import verify, verify_all
from edge_runtime.errors import DataError, InputError
from edge_runtime.inference.classifier import Classifier
from tests.commands import digits, one_line
from train.data import Dataset

RECEIPT = verify(Classifier.load())
BASE = verify(Classifier.load("base"))


def _other(**changes: Any) -> Receipt:
    """As another board might have given it, honestly sealed."""
    return sealed(dataclasses.replace(RECEIPT, digest="", **changes))


def _with_output(position: int, value: float | None, **changes: Any) -> Receipt:
    """With the first output of a golden image changed."""
    outputs = list(RECEIPT.outputs)
    outputs[position] = (value, *outputs[position][1:])
    return _other(outputs=tuple(outputs), **changes)


def _all_images(*mistakes: tuple[int, int], total: int = 100, data: str = "0" * 64) -> AllImages:
    correct = total - len(mistakes)
    return AllImages(data, Accuracy(correct, total, wilson_interval(correct, total)), mistakes)


def _another_label(position: int = 3) -> Receipt:
    """A board that is sure of another class."""
    label = (RECEIPT.labels[position] + 1) % 10
    outputs, labels = list(RECEIPT.outputs), list(RECEIPT.labels)
    outputs[position] = tuple(127.0 if column == label else -128.0 for column in range(10))
    labels[position] = label
    return _other(outputs=tuple(outputs), labels=tuple(labels), labels_equal=15, largest_difference=200.0, passed=False)


def _write(folder: Path, **receipts: Receipt) -> list[Path]:
    for name, receipt in receipts.items():
        (folder / f"{name}.json").write_text(to_json(receipt, indent=2))
    return [folder / f"{name}.json" for name in receipts]


def test_a_receipt_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """By the command, with what the model answered, where, and by which runtime."""
    path = tmp_path / "receipt.json"
    assert digits("verify", "--receipt", path).code == 0
    found = read_receipt(path)
    assert found == RECEIPT
    golden = Classifier.load().model.golden()
    assert np.array_equal(found.outputs, golden.outputs)
    assert found.labels == tuple(golden.outputs.argmax(1))
    assert found.processor


def test_the_accuracy_on_all_images(mnist: Dataset, tmp_path: Path) -> None:
    """With --all-images: counts, interval, and which images were answered wrongly with what; the file needs no training images."""
    np.savez(tmp_path / "test.npz", x_test=mnist.x_test[:1000], y_test=mnist.y_test[:1000].astype(np.int64))
    answer = digits(
        "verify", "nano", "--all-images", "--data", tmp_path / "test.npz", "--threads", 2, "--receipt", tmp_path / "r.json"
    )
    found = read_receipt(tmp_path / "r.json").all_images
    answered = Classifier.load("nano").classify_batch(mnist.x_test[:1000]).indices
    wrong = np.flatnonzero(answered != mnist.y_test[:1000])
    assert found is not None
    assert found.mistakes == tuple((position, answered[position]) for position in wrong)
    assert 0 < len(wrong) < 20
    assert found.accuracy.correct == 1000 - len(wrong)
    assert f"\nall images: {found.accuracy.percent:.2f} % ({1000 - len(wrong):,} of 1,000; " in answer.out
    same = digits("verify", "nano", "--all-images", "--data", tmp_path / "test.npz", "--json")
    assert json.loads(same.out)["all_images"]["data"] == found.data


def test_all_images_and_data_belong_together(tmp_path: Path) -> None:
    """One without the other is exit 2."""
    for words in (["--all-images"], ["--data", tmp_path / "x.npz"]):
        assert "need each other" in one_line(digits("verify", *words), 2)


IMAGES, LABELS = np.zeros((3, 28, 28), np.uint8), np.array([0, 1, 2], np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_test": IMAGES}, "lacks y_test; it contains x_test"),
        ({"x_test": IMAGES.astype(float), "y_test": LABELS}, r"x_test is float64 [3, 28, 28], expected uint8 [N, 28, 28]"),
        ({"x_test": IMAGES.reshape(3, 784), "y_test": LABELS}, "x_test is uint8 [3, 784]"),
        ({"x_test": IMAGES, "y_test": LABELS[:2]}, "3 images and 2 labels"),
        ({"x_test": IMAGES[:0], "y_test": LABELS[:0]}, "0 images and 0 labels"),
        ({"x_test": IMAGES, "y_test": LABELS.astype(float)}, "y_test is float64 [3], expected integers"),
        ({"x_test": IMAGES, "y_test": np.eye(3, dtype=np.uint8)}, "y_test is uint8 [3, 3]"),
        ({"x_test": IMAGES, "y_test": LABELS + 8}, "labels are 8 to 10, but the model's classes are 0 to 9"),
        ({"x_test": IMAGES, "y_test": LABELS.astype(int) - 1}, "labels are -1 to 1"),
        ({"x_test": IMAGES, "y_test": np.array([None, 1, 2])}, "pickled objects, which are never loaded"),
    ],
)
def test_data_of_another_form_is_exit_4(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    """The file, what was wrong, and what is expected; nothing is written."""
    np.savez(tmp_path / "wrong.npz", **arrays)
    answer = digits("verify", "--all-images", "--data", tmp_path / "wrong.npz", "--receipt", tmp_path / "r.json")
    assert message in one_line(answer, 4)
    assert not (tmp_path / "r.json").exists()


def test_data_that_cannot_be_read_is_exit_4(tmp_path: Path) -> None:
    """A missing file, a folder, no archive, one that is cut off, and one with a flipped bit."""
    np.savez(tmp_path / "good.npz", x_test=IMAGES, y_test=LABELS)
    data = (tmp_path / "good.npz").read_bytes()
    flipped = bytearray(data)
    flipped[300] ^= 1
    for name, content in {"text": b"hello", "cut": data[:-30], "flipped": bytes(flipped)}.items():
        (tmp_path / name).write_bytes(content)
    for path in (tmp_path / "none.npz", tmp_path, *(tmp_path / name for name in ("text", "cut", "flipped"))):
        assert str(path) in one_line(digits("verify", "--all-images", "--data", path), 4)


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another verdict": (lambda text: text.update(passed=False), "passed is False, which contradicts its own numbers"),
    "another runtime": (lambda text: text.update(runtime="tflite-runtime 2.14.0"), "digest"),
    "another output": (lambda text: text["outputs"][0].__setitem__(0, -127.0), "digest"),
    "another label": (lambda text: text["labels"].__setitem__(0, 0), "labels are not those of the outputs"),
    "fewer images": (lambda text: text.update(images=15), "15 images, 16 labels"),
    "a difference": (lambda text: text.update(largest_difference=7.0), "which contradicts its own numbers"),
    "no digest": (lambda text: text.pop("digest"), "digits verify --receipt writes one"),
    "another digest": (lambda text: text.update(digest="0" * 64), "edited or damaged"),
    "no schema": (lambda text: text.pop("schema_version"), "schema_version"),
    "a newer schema": (lambda text: text.update(schema_version=2), "has schema version 2, this program reads 1"),
    "a field more": (lambda text: text.update(colour="red"), "unknown field 'colour'"),
    "a field less": (lambda text: text.pop("machine"), "missing field 'machine'"),
    "a wrong type": (lambda text: text.update(labels="0123"), "'labels' is"),
    "a hash that is none": (lambda text: text.update(sha256="../../etc/passwd"), "not a SHA-256"),
    "escape codes": (lambda text: text.update(model="\x1b[2J"), "cannot be printed"),
    "rows of several lengths": (lambda text: text["outputs"][0].pop(), "labels are not those"),
    "impossible counts": (lambda text: text.update(labels_equal=17), "16 images"),
    "impossible accuracy": (
        lambda text: text.update(
            all_images={"data": "", "accuracy": {"correct": 9, "total": 9, "interval": [0, 1]}, "mistakes": []}
        ),
        "is impossible",
    ),
    "fewer mistakes": (
        lambda text: text.update(
            all_images={"data": "", "accuracy": {"correct": 1, "total": 9, "interval": [0, 100]}, "mistakes": []}
        ),
        "1 of 9 with 0 mistakes",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_receipt_is_exit_4(edit: str, tmp_path: Path) -> None:
    """With the file and the cause on one line."""
    good, bad = _write(tmp_path, good=RECEIPT, bad=RECEIPT)
    change, message = EDITS[edit]
    text = json.loads(bad.read_text())
    change(text)
    bad.write_text(json.dumps(text))
    error = one_line(digits("receipts", good, bad), 4)
    assert str(bad) in error
    assert message in error


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"passed": NaN}', b'{"a": 1, "a": 2}']
)
def test_what_is_no_receipt_is_exit_4(content: bytes, tmp_path: Path) -> None:
    """As are a file that is not there and a folder."""
    (good,) = _write(tmp_path, good=RECEIPT)
    bad = tmp_path / "bad.json"
    bad.write_bytes(content)
    for path in (bad, tmp_path / "none.json", tmp_path):
        assert str(path) in one_line(digits("receipts", good, path), 4)


def test_a_receipt_cut_off_anywhere_is_noticed(tmp_path: Path) -> None:
    """At every byte before the last brace."""
    text = to_json(RECEIPT)
    for cut in range(0, len(text) - 1, 7):
        with pytest.raises(InputError):
            from_json(Receipt, text[:cut])


@given(st.data())
def test_a_mutated_receipt_is_refused_or_says_the_same(data: st.DataObject) -> None:
    """Whatever characters change: an error of ours, unless what changed means nothing in JSON."""
    text = to_json(RECEIPT)
    place = data.draw(st.integers(0, len(text) - 1))
    mutated = text[:place] + data.draw(st.text(max_size=3)) + text[place + data.draw(st.integers(0, 3)) :]
    try:
        found = from_json(Receipt, mutated, ("schema_version", 1))
    except InputError:
        return
    assert found in (RECEIPT, dataclasses.replace(RECEIPT, digest=""))


def test_a_receipt_larger_than_any_is_not_read(tmp_path: Path) -> None:
    """Whatever is in it."""
    huge = tmp_path / "huge.json"
    with huge.open("wb") as stream:
        stream.truncate(2**30)
    with pytest.raises(DataError, match="so it is not a receipt"):
        read_receipt(huge)


def test_boards_that_agree(tmp_path: Path) -> None:
    """A row each, how far apart they are, exit 0; steps are told from the first and between any two."""
    below, above = (
        _with_output(0, RECEIPT.outputs[0][0] + step, largest_difference=1.0, board=board)
        for step, board in ((-1, "Raspberry Pi 4"), (1, "Raspberry Pi 2"))
    )
    paths = _write(tmp_path, first=RECEIPT, below=below, above=above)
    code, text, error = digits("receipts", *paths)
    assert (code, error) == (0, "")
    lines = text.splitlines()
    assert lines[0] == f"small, sha256 {RECEIPT.sha256[:12]}: 3 receipts"
    cells = f"Raspberry Pi 4 ({RECEIPT.machine}) {RECEIPT.runtime} passed 16 of 16 1 1 -"
    assert lines[3].split() == [str(paths[1]), *cells.split()]
    assert lines[-2:] == ["outputs differ by at most 2 steps", "no contradictions"]
    (found,) = compare([("first", RECEIPT), ("below", below), ("above", above)])
    assert (found.from_first, found.apart, found.unit) == ((0.0, 1.0, 1.0), 2.0, "steps")


def test_a_board_that_answers_otherwise_is_exit_1(tmp_path: Path) -> None:
    """After the table: which image, what each board said, and that the board failed."""
    paths = _write(tmp_path, good=RECEIPT, bad=_another_label())
    code, text, error = digits("receipts", *paths)
    label = RECEIPT.labels[3]
    assert code == 1
    assert f"golden image 3: {label} on {paths[0]}, {(label + 1) % 10} on {paths[1]}" in text
    assert f"{paths[1]} failed: small on" in text
    assert error.startswith("digits: 2 contradictions, such as: ")


def test_images_that_boards_answer_differently(tmp_path: Path) -> None:
    """Of the same set: positions with what each said; an answer that was wrong everywhere alike is no contradiction."""
    one = _other(all_images=_all_images((7, 3), (20, 1)))
    other = _other(all_images=_all_images((7, 3), (20, 2), (30, 8)))
    (found,) = compare([("one", one), ("other", other), ("none", RECEIPT)])
    assert found.contradictions == ("image 20: 1 on one, 2 on other", "image 30: right on one, 8 on other")
    assert digits("receipts", *_write(tmp_path, one=one, other=other)).code == 1


def test_accuracies_on_other_images_are_not_compared(tmp_path: Path) -> None:
    """It is said, and is no contradiction."""
    one, other = _other(all_images=_all_images((7, 3))), _other(all_images=_all_images((8, 3), data="1" * 64))
    code, text, _ = digits("receipts", *_write(tmp_path, one=one, other=other))
    assert (code, "the data sets differ" in text) == (0, True)


def test_outputs_that_are_no_numbers() -> None:
    """Are told as such, not as a distance of 0."""
    broken = _with_output(0, None, passed=False, largest_difference=None)
    (found,) = compare([("good", RECEIPT), ("broken", broken)])
    assert (found.from_first, found.apart) == ((0.0, None), None)
    assert "broken failed" in found.contradictions[0]
    assert from_json(Receipt, to_json(broken)) == broken


def test_receipts_are_compared_by_model(tmp_path: Path) -> None:
    """Each with its own table, the order kept; alone it says so."""
    paths = _write(tmp_path, small=RECEIPT, base=BASE, again=RECEIPT)
    found = json.loads(digits("receipts", *paths, "--json").out)["models"]
    assert [(model["model"], [Path(name).stem for name in model["names"]]) for model in found] == [
        ("small", ["small", "again"]),
        ("base", ["base"]),
    ]
    assert found[0]["receipts"][0]["digest"] == RECEIPT.digest
    assert digits("receipts", *paths).out.endswith("only one receipt of this model; nothing to compare\n")


def test_receipts_of_different_models_alone_are_exit_4(tmp_path: Path) -> None:
    """Nothing can be compared; a single receipt is wrong usage."""
    paths = _write(tmp_path, small=RECEIPT, base=BASE)
    assert "nothing to compare: 2 receipts of 2 different models" in one_line(digits("receipts", *paths), 4)
    assert "1 receipt given" in one_line(digits("receipts", paths[0]), 2)


def test_the_same_model_with_other_golden_images_is_another() -> None:
    """Outputs are of other images then."""
    with pytest.raises(DataError, match="nothing to compare"):
        compare([("one", RECEIPT), ("other", _other(golden_sha256="0" * 64))])
    fewer = _other(images=15, labels=RECEIPT.labels[:15], outputs=RECEIPT.outputs[:15], labels_equal=15)
    with pytest.raises(DataError, match=r"other: has outputs of shape \[15, 10\], but one of \[16, 10\]"):
        compare([("one", RECEIPT), ("other", fewer)])


def test_all_images_of_a_set_have_one_hash(mnist: Dataset) -> None:
    """Of images and labels, whatever whole numbers the labels are kept as."""
    classifier, images, labels = Classifier.load(), mnist.x_test[:20], mnist.y_test[:20]
    found = [verify_all(classifier, RECEIPT, images, kept).all_images for kept in (labels, labels.astype(np.int64), labels[::-1])]
    assert found[0] == found[1]
    assert found[0] is not None
    assert found[2] is not None
    assert found[0].data != found[2].data
