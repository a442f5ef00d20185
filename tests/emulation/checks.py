"""What every board has to do, 64 bits or 32."""

import csv
import json
from typing import Any

from .devices import DIGITS, PICTURES, SHARED, Device

FOLDER = f"{SHARED}/pictures"


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
