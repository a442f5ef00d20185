"""A hundred boards on loopback, one in ten broken in a way of its own."""

import json
from pathlib import Path

import pytest

from edge_runtime.model.model_file import MODELS
from tests.commands import digits
from tests.edge_runtime.serving.model_files import with_wrong_golden

from .sshd import Boards

pytestmark = [pytest.mark.ssh, pytest.mark.timeout(1800)]
COUNT = 100
# Of each ten boards, the last is broken: how, by what comes before each command there.
BROKEN = {
    "no-python": "PATH=/nowhere\n",
    "timeout": "cat >/dev/null; exit\n",
    "broken": "exit 9\n",
    "system": "mkdir -p .local; : > .local/share\n",
    "unreachable": "kill -9 $PPID\n",
}


def _name(number: int) -> str:
    return f"h{number:03}"


@pytest.fixture
def fleet(boards: Boards, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A group of a hundred boards; what each broken one has to be told as."""
    causes = list(BROKEN) * 2
    expected = {_name(number): causes[number // 10] if number % 10 == 9 else "" for number in range(COUNT)}
    for name, cause in expected.items():
        boards.add(name, BROKEN.get(cause, ""))
    path = boards.root / "fleet.toml"
    path.write_text(f"[groups]\nfleet = {json.dumps(list(expected))}\n")
    monkeypatch.setenv("EDGE_DIGITS_BOARDS", str(path))
    return expected


def test_each_good_board_is_switched_and_each_bad_one_is_named(boards: Boards, fleet: dict[str, str], tmp_path: Path) -> None:
    """In one command; a second model that no board proves changes none of them."""
    model, content = tmp_path / "model.tflite", (MODELS / "nano-int8.tflite").read_bytes()
    model.write_bytes(content)
    words = ("deploy", model, "--on", "fleet", "--remote-command", boards.digits, "--timeout", 100, "--json")
    answer = digits(*words, "--jobs", 16)
    assert answer.code == 3
    assert {row["host"]: row["cause"] for row in json.loads(answer.out)["boards"]} == fleet
    links = {name: boards.home(name) / ".local/share/digits/models/model.tflite" for name in fleet}
    switched = {name for name, link in links.items() if link.exists() and link.read_bytes() == content}
    assert switched == {name for name, cause in fleet.items() if not cause}
    model.write_bytes(with_wrong_golden())
    answer = digits(*words, "--canary", 3)
    causes = [row["cause"] for row in json.loads(answer.out)["boards"]]
    assert causes == ["proof"] * 3 + ["not-tried"] * (COUNT - 3)
    assert all(links[name].read_bytes() == content for name in switched)
