"""Reaching boards: connections, what goes wrong with them, and names that no shell may run."""

import shlex
import subprocess
from pathlib import Path

import pytest

from edge_runtime.boards.calls import ask, calling, command_of
from edge_runtime.boards.ssh import Connection
from edge_runtime.errors import BoardError

from .sshd import Boards

pytestmark = pytest.mark.ssh


def test_a_board_says_what_it_is(boards: Boards) -> None:
    """Over a connection of its own, and over a shared one, which leaves nothing behind."""
    boards.add("plain")
    alone = ask(Connection("plain"), "probe", {}, 30)
    with Connection("plain") as shared:
        assert ask(shared, "probe", {}, 30) == ask(shared, "probe", {}, 30) == alone
    assert (alone["bits"], alone["libc"], alone["environment"]) == (64, "glibc", "")
    assert list(boards.home("plain").iterdir()) == []


@pytest.mark.parametrize(
    ("host", "cause", "remedy"),
    [
        ("closed", "unreachable", "is the board on"),
        ("no-such-host.invalid", "unreachable", "no such host"),
        ("stranger", "unknown-key", "ssh stranger"),
        ("impostor", "wrong-key", "ssh-keygen -R impostor"),
        ("nobody", "denied", "ssh-copy-id nobody"),
    ],
)
@pytest.mark.parametrize("shared", [False, True])
def test_what_ssh_refuses_is_one_line_with_a_remedy(boards: Boards, host: str, cause: str, remedy: str, shared: bool) -> None:
    """Nothing is asked, and no unknown host is trusted."""
    if host in ("stranger", "impostor", "nobody") and not boards.home(host).exists():
        boards.add(host)
    known = (boards.root / "known_hosts").read_text()
    with pytest.raises(BoardError, match=remedy) as caught:
        _probe(host, shared)
    assert caught.value.cause == cause
    assert str(caught.value).startswith(f"{host}: ")
    assert "\n" not in str(caught.value)
    assert (boards.root / "known_hosts").read_text() == known


def _probe(host: str, shared: bool) -> None:
    if shared:
        with Connection(host) as connection:
            ask(connection, "probe", {}, 30)
    ask(Connection(host), "probe", {}, 30)


def test_a_board_without_python_is_told(boards: Boards) -> None:
    """With the line that installs it."""
    boards.add("bare", before="PATH=/nowhere\n")
    with pytest.raises(BoardError, match="bare: it has no python3; there: sudo apt install python3") as caught:
        ask(Connection("bare"), "probe", {}, 30)
    assert caught.value.cause == "no-python"


def test_a_board_with_an_old_python_is_told(boards: Boards, tmp_path: Path) -> None:
    """Which one it has."""
    old = tmp_path / "old"
    old.mkdir()
    (old / "python3").write_text('#!/bin/sh\necho "needs Python 3.11 or newer, there is 3.9" >&2\nexit 1\n')
    (old / "python3").chmod(0o755)
    boards.add("old", before=f"PATH={old}:$PATH\n")
    with pytest.raises(BoardError, match=r"needs Python 3\.11 or newer, there is 3\.9"):
        ask(Connection("old"), "probe", {}, 30)


def test_a_board_that_hangs_is_left(boards: Boards) -> None:
    """After the time that was given."""
    boards.add("hanging", before="cat >/dev/null; exit\n")
    with pytest.raises(BoardError, match="no end after 1 seconds") as caught:
        ask(Connection("hanging"), "probe", {}, 1)
    assert caught.value.cause == "timeout"


def test_a_login_shell_may_print(boards: Boards) -> None:
    """What is no reply is passed over."""
    boards.add("chatty", before="echo Welcome; echo to this board >&2\n")
    assert ask(Connection("chatty"), "probe", {}, 30)["bits"] == 64


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_a_command_line_is_the_same_words_in_any_shell(shell: str) -> None:
    """No sign of the request is on it, and what it has is quoted."""
    request = {"models": ['\'; touch /tmp/x; $(x) `x` "x" \\ -x \n']}
    command = [*command_of("probe", request)]
    shown = subprocess.run([shell, "-c", f"printf '%s\\0' {shlex.join(command)}"], capture_output=True, check=True).stdout
    assert shown.decode().split("\0")[:-1] == command
    assert "touch" not in "".join(command)


def test_an_unknown_reply_is_an_error_of_the_board(boards: Boards) -> None:
    """A board whose Python prints nothing gives no reply."""
    boards.add("mute", before="exit 0\n")
    with pytest.raises(BoardError, match="mute: it gave no reply"):
        ask(Connection("mute"), "probe", {}, 30)


def test_a_call_is_ended_with_its_block(boards: Boards) -> None:
    """An action that waits for input has none, and its process ends."""
    home = boards.add("waiting")
    request = {"digits": boards.digits, "models": [{"name": "x", "size": 5, "sha256": "0" * 64, "signature": ""}], "who": "a test"}
    request["max_nanoseconds"] = None
    with calling(Connection("waiting"), "deploy", request, 30) as call:
        first = next(call.replies())
    assert first == {"stage": "copying x"}
    assert not list(home.rglob("*.tflite"))
