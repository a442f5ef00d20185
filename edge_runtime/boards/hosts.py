"""Names of boards, and the groups of boards.toml."""

import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import BadArgument, DataError

# What OpenSSH takes for a host, and nothing that a shell, such as that of a ProxyCommand, or ssh's own options could read otherwise.
_WORD = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
_HOST = re.compile(
    rf"(?:{_WORD}@)?(?:{_WORD}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)|ssh://(?:{_WORD}@)?(?:{_WORD}|\[[0-9A-Fa-f:.]+\])(?::\d{{1,5}})?"
)
_GROUP = re.compile(_WORD)
_MAX_LENGTH = 255
EXAMPLE = '[groups] lab = ["pi@raspberrypi.local", "pi5"]'


@frozen_dataclass
class Board:
    """A board. host: as ssh takes it. digits: path of the program there; empty for what `digits boards setup` installed."""

    host: str
    digits: str = ""


def check_host(host: str) -> str:
    """Return a host's name if it is safe to give to ssh: NAME, USER@NAME, an alias of ~/.ssh/config, or ssh://USER@NAME:PORT.

    Raises:
        BadArgument: it has other characters, begins with a dash, or is too long.
    """
    if len(host) > _MAX_LENGTH or not _HOST.fullmatch(host):
        raise BadArgument(
            f"host is {host[:60]!r}, expected a name such as pi@raspberrypi.local, or ssh://pi@host:2222 for another port"
        )
    return host


def boards_file() -> Path:
    """Where boards.toml is, unless one is named: in the user's configuration folder, or where EDGE_DIGITS_BOARDS says."""
    if named := os.environ.get("EDGE_DIGITS_BOARDS"):
        return Path(named)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "edge-digits" / "boards.toml"


def find_boards(names: Sequence[str], digits: str = "") -> list[Board]:
    """The boards that names of hosts and groups stand for, each once, in order.

    Args:
        names: hosts, or groups of boards.toml.
        digits: path of the program on all of them; empty for what boards.toml says, else what setup installed.

    Raises:
        BadArgument: a name is not a host's.
        DataError: boards.toml is wrong.
    """
    groups, commands = _read_groups()
    hosts = [host for name in names for host in groups.get(name, (name,))]
    return [Board(check_host(host), digits or commands.get(host, "")) for host in dict.fromkeys(hosts)]


def _read_groups() -> tuple[dict[str, list[str]], dict[str, str]]:
    """Hosts by group, and paths of digits by host; both empty where there is no file."""
    path = boards_file()
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    groups, commands = content.pop("groups", {}), content.pop("remote-commands", {})
    if content or not isinstance(groups, dict) or not isinstance(commands, dict):
        raise DataError(f"{path}: expected the tables [groups] and [remote-commands], such as: {EXAMPLE}")
    for name, hosts in groups.items():
        _check_group(path, name, hosts)
    if not all(isinstance(command, str) and command for command in commands.values()):
        raise DataError(f'{path}: [remote-commands] has a line for each host, such as: pi5 = "/opt/digits/bin/digits"')
    return groups, commands


def _check_group(path: Path, name: str, hosts: Any) -> None:
    if not _GROUP.fullmatch(name):
        raise DataError(f"{path}: group {name[:60]!r}: expected letters, digits, dots, hyphens and underscores")
    if not isinstance(hosts, list) or not hosts or not all(isinstance(host, str) for host in hosts):
        raise DataError(f"{path}: group {name}: expected a list of hosts, such as: {EXAMPLE}")
    for host in hosts:
        try:
            check_host(host)
        except BadArgument as error:
            raise DataError(f"{path}: group {name}: {error}") from error
