"""What every board has to do, 64 bits or 32."""

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.results.results import read_results
from convert.quantization.recipes import RECIPES
from edge_runtime import Classifier
from edge_runtime.preprocessing.image_files import read_pixels
from edge_runtime.reading.reader import LONGEST, Reader
from tests.benchmarks.samples import check_closing_lines

from .devices import DIGITS, LINE, PHOTOS, PICTURES, SHARED, SHIPPED, Device

FOLDER = f"{SHARED}/pictures"


def every_recipe_verifies(device: Device) -> None:
    """The golden images of every recipe's file come out unharmed."""
    found = device.verified()
    assert len(found) == len(RECIPES)
    assert set(found.values()) == {True}, found


def a_file_verifies(device: Device) -> None:
    """`digits verify FILE` says so, and names the runtime."""
    receipt = device.json("verify", f"{SHARED}/cnn-int8.tflite", "--json")
    assert receipt["passed"] is True
    assert device.runtime in receipt["runtime"]


def shipped_models_verify(device: Device, board: str) -> None:
    """Every shipped model gives its golden answers, the line model too.

    With EDGE_DIGITS_RECEIPTS=FOLDER `digits verify NAME` says so of each, and the receipts are kept there.
    """
    assert device.json("verify", "lines", "--json")["passed"] is True
    folder = os.environ.get("EDGE_DIGITS_RECEIPTS")
    if not folder:
        assert device.verified(SHIPPED) == {
            f"{name}.tflite": True for name in ("nano-int8", "small-int8", "base-int8", "base-fp32")
        }
        return
    for name in ("nano", "small", "base", "base-fp32"):
        receipt = device.json("verify", name, "--json")
        assert receipt["passed"] is True
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f"{board}-{device.runtime}-{name}.json").write_text(json.dumps(receipt, sort_keys=True) + "\n")


def answers_a_folder(device: Device, mnist: Any) -> None:
    """`digits classify FOLDER`: an answer for each digit, a line on stderr for the broken file, exit code 4; as JSON lines and CSV."""
    labels = [str(label) for label in mnist.y_test[:PICTURES]]
    done = device.machine.start([*DIGITS, "classify", FOLDER, "--json"])
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["label"] for answer in answers] == labels, done.stderr
    assert [answer["source"] for answer in answers] == [f"{FOLDER}/digit-{position}.png" for position in range(PICTURES)]
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert f"{FOLDER}/broken.png" in done.stderr
    table = csv.DictReader(
        device.machine.run([*DIGITS, "classify", f"{FOLDER}/digit-*.png", "--csv", "--threads", "2"]).splitlines()
    )
    assert [row["label"] for row in table] == labels


def reads_a_photo(device: Device) -> None:
    """`digits classify` of one photo says what it says on this host."""
    name = "photo-0.jpg"
    label, warnings = _on_host(device.shared / "photos" / name)
    answer = device.json("classify", f"{SHARED}/photos/{name}", "--json")
    assert (answer["label"], _kinds(answer["warnings"])) == (label, _kinds(warnings))


def reads_photos(device: Device) -> None:
    """`digits classify` and `digits read` of photos say what they say on this host, and draw it."""
    host = [_on_host(path) for path in sorted((device.shared / "photos").iterdir())]
    drawn = f"explained-{device.machine.board.name}-{device.runtime}.png"
    words = ["classify", f"{SHARED}/photos", "--json", "--explain", f"{SHARED}/{drawn}"]
    answers = [json.loads(line) for line in device.machine.run([*DIGITS, *words]).splitlines()]
    assert [answer["label"] for answer in answers] == [label for label, _ in host]
    assert [_kinds(answer["warnings"]) for answer in answers] == [_kinds(warnings) for _, warnings in host]
    with Image.open(device.shared / drawn) as drawing:
        assert drawing.height > 100 * PHOTOS
    reading = Reader(Classifier.load()).read(*read_pixels(device.shared / LINE, longest=LONGEST))
    assert len(list(reading.digits)) == 4
    assert device.json("read", f"{SHARED}/{LINE}", "--json")["text"] == reading.text


def _on_host(path: Path) -> tuple[str, tuple[str, ...]]:
    answer = Classifier.load().classify_file(path)
    assert answer.label is not None
    return answer.label, answer.warnings


def _kinds(warnings: Iterable[str]) -> list[str]:
    """The word that each begins with: what is counted in pixels may differ by one."""
    return [text.partition(":")[0].partition(" (")[0] for text in warnings]


def answers_standard_input(device: Device, mnist: Any) -> None:
    """`digits classify -`: an image, and a stream of paths."""
    command = " ".join(DIGITS)
    image = device.machine.run(["sh", "-c", f"{command} classify - < {FOLDER}/digit-0.png"])
    assert f": {mnist.y_test[0]} " in image
    paths = device.machine.run(["sh", "-c", f"ls {FOLDER}/digit-*.png | {command} classify - --json"])
    assert [json.loads(line)["index"] for line in paths.splitlines()] == mnist.y_test[:PICTURES].tolist()


def writes_a_receipt(device: Device) -> dict[str, Any]:
    """`digits verify --receipt FILE`: the shipped model gives its golden answers, and the file says the same as the JSON printed."""
    path = f"receipt-{device.machine.board.name}-{device.runtime}.json"
    printed = device.json("verify", "--json", "--receipt", f"{SHARED}/{path}", "--force")
    written: dict[str, Any] = json.loads((device.shared / path).read_text())
    assert printed == written
    assert (written["passed"], written["labels_equal"]) == (True, 16)
    assert device.runtime in written["runtime"]
    return written


def measures_all_shipped_models(device: Device) -> None:
    """`digits bench`: a line for each model at the end, results that this host can show, nothing on stderr."""
    folder = f"bench-{device.machine.board.name}-{device.runtime}"
    done = device.machine.start([*DIGITS, "bench", "--samples", "1", "--board", "emulated", "--out", f"{SHARED}/{folder}"])
    assert (done.returncode, done.stderr) == (0, "")
    check_closing_lines(done.stdout, "emulated")
    result = read_results(device.shared / folder / "emulated.json")
    assert (result.absent, device.runtime in result.machine.runtime) == ((), True)


def doctor_is_content(device: Device) -> None:
    """`digits doctor`: no problem, and the golden images went through the interpreter that is there."""
    done = device.machine.start([*DIGITS, "doctor", "--json"])
    findings = json.loads(done.stdout)["findings"]
    assert (done.returncode, done.stderr) == (0, ""), findings
    (ran,) = [found for found in findings if device.runtime in found["subject"]]
    assert "16 of 16 golden images" in ran["text"]
    (platform,) = [found for found in findings if found["subject"] == "platform"]
    bits = 32 if device.machine.board.architecture == "armhf" else 64
    assert f"{bits}-bit Python" in platform["text"]
