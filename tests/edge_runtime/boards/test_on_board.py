"""The part that runs on a board, in a process of its own with pipes as over SSH, and a program `digits` that only says what it is told."""

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.boards.calls import ask, calling, command_of, send_files
from edge_runtime.boards.on_board.files import SPARE_BYTES
from edge_runtime.errors import BoardError

_DIGITS = """\
#!/bin/sh
case $1 in
--version) echo "digits, version 9.9.9" ;;
verify)
    if grep -q bad "$3"; then echo "digits: labels differ" >&2; exit 1; fi
    echo '{"passed": true, "sha256": "flat", "runtime": "stub 1.0"}' ;;
tune) echo '{"timings": [{"batch": 0, "nanoseconds": 7000}, {"batch": 0, "nanoseconds": 5000}, {"batch": 9, "nanoseconds": 1}]}' ;;
esac
"""


class Local:
    """A connection to this machine as a board: without SSH."""

    host = "here"

    def __init__(self, home: Path) -> None:
        self.home = home

    def start(self, command: list[str], stderr: "IO[bytes] | int") -> "subprocess.Popen[bytes]":
        """As of a connection."""
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        return subprocess.Popen([sys.executable, *command[1:]], stderr=stderr, env=environment, **pipes)


@pytest.fixture
def board(tmp_path: Path) -> Any:
    """A board with an empty home."""
    (tmp_path / "home").mkdir()
    (tmp_path / "digits").write_text(_DIGITS)
    (tmp_path / "digits").chmod(0o755)
    return Local(tmp_path / "home")


def _deploy(board: Any, limit: int | None = None, **models: str) -> list[dict[str, Any]]:
    """Deploy models of some content, by name."""
    folder = board.home.parent / "laptop"
    folder.mkdir(exist_ok=True)
    request, files = _request(board, limit), []
    for name, content in models.items():
        files.append(folder / name)
        files[-1].write_text(content)
        digest = hashlib.sha256(content.encode()).hexdigest()
        request["models"].append({"name": name, "size": len(content), "sha256": digest, "signature": ""})
    with calling(board, "deploy", request, 60) as call:
        return send_files(call, files, lambda stage: None)


def _request(board: Any, limit: int | None = None) -> dict[str, Any]:
    return {"digits": str(board.home.parent / "digits"), "models": [], "max_nanoseconds": limit, "who": "a test", "names": []}


def _models(board: Any) -> dict[str, str]:
    """What a program on the board finds under each name."""
    return {path.stem: path.read_text() for path in (board.home / ".local/share/digits/models").glob("*.tflite")}


@settings(max_examples=25)  # the code that is sent along is packed each time
@given(st.recursive(st.text(), lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts)))
def test_no_request_is_seen_by_a_shell(request: Any) -> None:
    """Whatever is in it: letters and digits stand for it on the command line."""
    assert re.fullmatch("[A-Za-z0-9+/=]+", command_of("deploy", {"request": request})[-1])


def test_models_are_switched_to_once_all_are_proven(board: Any) -> None:
    """A model that fails leaves the others of that call as they were."""
    records = _deploy(board, a="one", b="two")
    assert [(record["model"], record["changed"], record["runtime"], record["nanoseconds"]) for record in records] == [
        ("a", True, "stub 1.0", None),
        ("b", True, "stub 1.0", None),
    ]
    with pytest.raises(BoardError, match="here: digits verify failed there: digits: labels differ") as caught:
        _deploy(board, a="three", b="bad")
    assert (caught.value.cause, _models(board)) == ("proof", {"a": "one", "b": "two"})
    assert not _deploy(board, a="one")[0]["changed"]


def test_the_former_version_is_kept_and_no_older_one(board: Any) -> None:
    """Rollback goes to it, and back again; a redeployment of the same file does not forget it."""
    for content in ("one", "two", "three", "three"):
        _deploy(board, a=content)
    store = board.home / ".local/share/digits/models/.store/a"
    assert sorted(path.read_text() for path in store.glob("*.tflite")) == ["three", "two"]
    for expected in ("two", "three"):
        assert ask(board, "rollback", _request(board), 60)["changed"]
        assert _models(board) == {"a": expected}


def test_a_first_version_has_no_former_one(board: Any) -> None:
    """Nor has a board without models."""
    for told in ("no model was deployed there", "no former version of a there"):
        with pytest.raises(BoardError, match=told):
            ask(board, "rollback", _request(board), 60)
        _deploy(board, a="one")


def test_the_latency_is_that_of_single_images(board: Any) -> None:
    """The best setting's; above the limit nothing changes."""
    assert _deploy(board, 5000, a="one")[0]["nanoseconds"] == 5000
    with pytest.raises(BoardError, match=r"an image takes 5\.0 us there, --max-latency-us is 5\.0") as caught:
        _deploy(board, 4999, a="two")
    assert (caught.value.cause, _models(board)) == ("latency", {"a": "one"})


def test_a_second_deployment_at_the_same_time_is_refused(board: Any) -> None:
    """It is told who is at it; a lock that nobody holds is none, whatever its file says."""
    _deploy(board, a="one")
    lock = board.home / ".local/share/digits/change.lock"
    with lock.open("w") as held:
        held.write("a deployment by them")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BoardError, match="a deployment by them is still running there") as caught:
            _deploy(board, a="two")
    assert caught.value.cause == "busy"
    assert _deploy(board, a="two")[0]["changed"]


@pytest.mark.parametrize("part", ["", "mod", "model", "wrong", "much longer than the model"])
def test_a_transfer_goes_on_from_any_part(board: Any, part: str) -> None:
    """A right part is not sent again, a wrong one is replaced."""
    name = hashlib.sha256(b"model").hexdigest()
    incoming = board.home / ".local/share/digits/incoming"
    incoming.mkdir(parents=True)
    (incoming / f"{name}.tflite.part").write_text(part)
    (incoming / "other.tflite.part").write_text("of a deployment that was given up")
    _deploy(board, a="model")
    assert _models(board) == {"a": "model"}
    assert not incoming.exists()


def test_a_file_that_is_not_the_one_that_was_announced_is_refused(board: Any) -> None:
    """It changed here in between, say; nothing of it stays."""
    path = board.home.parent / "changed"
    path.write_text("other")
    request = {**_request(board), "models": [{"name": "a", "size": 5, "sha256": "0" * 64, "signature": ""}]}
    with pytest.raises(BoardError, match="another hash") as caught, calling(board, "deploy", request, 60) as call:
        send_files(call, [path], lambda stage: None)
    assert (caught.value.cause, _models(board)) == ("damaged", {})


def test_the_end_of_the_laptop_is_the_end_of_the_transfer(board: Any) -> None:
    """What came by then is kept."""
    request = {
        **_request(board),
        "models": [{"name": "a", "size": 5, "sha256": hashlib.sha256(b"model").hexdigest(), "signature": ""}],
    }
    process = board.start(command_of("deploy", request), subprocess.DEVNULL)
    process.communicate(b"mod")
    (part,) = (board.home / ".local/share/digits/incoming").iterdir()
    assert (process.returncode, part.read_text(), _models(board)) == (1, "mod", {})


def test_a_file_larger_than_the_disk_is_refused_at_once(board: Any) -> None:
    """With what is free and what is needed."""
    free = os.statvfs(board.home).f_bavail * os.statvfs(board.home).f_frsize
    request = {**_request(board), "models": [{"name": "a", "size": 2 * (free + SPARE_BYTES), "sha256": "0" * 64, "signature": ""}]}
    with pytest.raises(BoardError, match="the disk is full") as caught:
        ask(board, "deploy", request, 60)
    assert caught.value.cause == "full"


def test_a_changed_file_is_not_sound(board: Any) -> None:
    """Status takes the hash of what is there, not what the record says."""
    _deploy(board, a="one", b="two")
    (board.home / ".local/share/digits/models/a.tflite").write_text("changed")
    found = ask(board, "status", _request(board), 60)
    assert (found["version"], [model["sound"] for model in found["models"]]) == ("9.9.9", [False, True])


@pytest.mark.parametrize("program", ["/no/digits", "; touch x", "$(touch x)", "-x", "a b"])
def test_a_program_is_a_path_and_no_command(board: Any, program: str) -> None:
    """What is not there is told, and nothing is run."""
    found = ask(board, "status", {"digits": program}, 60)
    assert found["problem"].startswith(f"there is no program {program}")
    assert not list(board.home.iterdir())


def test_a_board_cannot_write_to_the_terminal(board: Any) -> None:
    """Control characters in what it replies are shown as spaces."""
    (board.home.parent / "digits").write_text("#!/bin/sh\nprintf 'version \\033[2J\\n'\n")
    assert ask(board, "status", _request(board), 60)["version"] == " [2J"


def test_remove_leaves_what_was_there_before(board: Any) -> None:
    """And nothing else: folders above ours too, if they were made for it."""
    _deploy(board, a="one")
    assert ask(board, "remove", _request(board), 60)["removed"]
    assert not list(board.home.iterdir())
    (board.home / ".local").mkdir()
    _deploy(board, a="one")
    ask(board, "remove", _request(board), 60)
    assert [str(path.relative_to(board.home)) for path in board.home.rglob("*")] == [".local"]
