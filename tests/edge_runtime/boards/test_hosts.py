"""Names of boards and boards.toml: what is taken, and what no shell and no option parser may see."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.boards.hosts import Board, check_host, find_boards
from edge_runtime.errors import BadArgument, DataError
from tests.commands import digits, one_line

HOSTILE = (
    "-oProxyCommand=id",
    "a b",
    "a;id",
    "$(id)",
    "`id`",
    "a'b",
    'a"b',
    "a|id",
    "a\nb",
    "",
    "-",
    "pi@-x",
    "@pi",
    "a/../b",
    "pi:22",
    "ü",
)


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A boards.toml that is found."""
    path = tmp_path / "boards.toml"
    monkeypatch.setenv("EDGE_DIGITS_BOARDS", str(path))
    return path


@pytest.mark.parametrize(
    "host",
    ["pi5", "pi@raspberrypi.local", "10.0.0.7", "pi@fe80::1", "ssh://pi@pi4.lan:2222", "ssh://[fe80::1]:22", "PI_4", "my.user@a-b"],
)
def test_hosts_are_what_ssh_takes(host: str) -> None:
    """Names, users, addresses, ports as ssh writes them."""
    assert check_host(host) == host


@pytest.mark.parametrize("host", HOSTILE)
@pytest.mark.parametrize("command", [("boards", "setup"), ("boards", "status"), ("boards", "remove")])
def test_hostile_hosts_are_refused(command: tuple[str, str], host: str, groups: Path) -> None:
    """Before anything is run: wrong usage, in one line that names it."""
    answer = digits(*command, "--", host)
    assert "host is" in one_line(answer, 2)


@given(st.text())
def test_an_accepted_host_is_one_word_of_a_shell(host: str) -> None:
    """Of any text: it needs no quotes, and no program takes it for an option."""
    try:
        check_host(host)
    except BadArgument:
        return
    assert shlex.quote(host) == host or set(host) & set("[]")
    assert not host.startswith("-")
    assert not set(host) & set(" \t\n'\"`$;&|<>(){}*?!\\~#%")


def test_groups_stand_for_their_hosts(groups: Path) -> None:
    """Each once, in order, with the programs that are named for them."""
    groups.write_text('[groups]\nlab = ["a", "pi@b"]\n[remote-commands]\na = "/opt/digits"\n')
    assert find_boards(["c", "lab", "a"]) == [Board("c"), Board("a", "/opt/digits"), Board("pi@b")]
    assert find_boards(["a"], "~/mine") == [Board("a", "~/mine")]


def test_without_a_file_there_are_hosts_alone(groups: Path) -> None:
    """A missing boards.toml is no error."""
    assert find_boards(["lab"]) == [Board("lab")]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("groups = 3", "groups"),
        ('[groups]\nlab = "a"', "lab"),
        ("[groups]\nlab = []", "lab"),
        ('[groups]\nlab = ["a; id"]', "a; id"),
        ('[groups]\n"-x y" = ["a"]', "-x y"),
        ('[groups]\n"$(id)" = ["a"]', "$(id)"),
        ("[remote-commands]\na = 3", "remote-commands"),
        ("[group]\n", "[groups]"),
        ("[groups", "cannot be read"),
    ],
)
def test_a_wrong_file_is_told(groups: Path, text: str, named: str) -> None:
    """In one line with its path: exit code 4."""
    groups.write_text(text)
    with pytest.raises(DataError) as caught:
        find_boards(["lab"])
    assert str(groups) in str(caught.value)
    assert named in str(caught.value)
