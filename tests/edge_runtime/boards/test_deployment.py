"""`digits deploy`: proven there, then switched to; each failure a finding for its board alone; canaries, retry, rollback, signatures."""

import fcntl
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.boards.deployment import NOT_TRIED, canaries_first
from edge_runtime.boards.hosts import Board
from edge_runtime.boards.many import Outcome
from edge_runtime.errors import BoardError
from edge_runtime.model.model_file import MODELS, read_model_file
from tests.commands import Answer, digits, one_line
from tests.edge_runtime.serving.conftest import ask
from tests.edge_runtime.serving.model_files import with_wrong_golden
from tools.studies.serving.load import served
from tools.support.waiting import until

from .sshd import Boards

SMALL, NANO = ((MODELS / f"{name}-int8.tflite").read_bytes() for name in ("small", "nano"))


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file in the laptop's current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.tflite"
    path.write_bytes(SMALL)
    return path


def _deploy(boards: Boards, *words: object) -> Answer:
    return digits("deploy", "--remote-command", boards.digits, *words)


def _on_board(boards: Boards, name: str, model: str = "model") -> bytes | None:
    """The deployed file as a program on the board finds it."""
    path = boards.home(name) / f".local/share/digits/models/{model}.tflite"
    return path.read_bytes() if path.exists() else None


def _rows(answer: Answer) -> dict[str, dict[str, Any]]:
    return {board["host"]: board for board in json.loads(answer.out)["boards"]}


def test_the_rest_waits_for_the_canaries() -> None:
    """If one of them fails, the others are not tried; else they are."""
    boards, tried = [Board(name) for name in "abcd"], []

    def work(board: Board) -> list[dict[str, Any]]:
        tried.append(board.host)
        if board.host == "b":
            raise BoardError("b: no", "proof")
        return []

    found = {outcome.board.host: outcome.cause for outcome in canaries_first(boards, 2, work, 1)}
    assert (found, tried) == ({"a": "", "b": "proof", "c": NOT_TRIED, "d": NOT_TRIED}, ["a", "b"])
    tried.clear()
    assert [outcome.board.host for outcome in canaries_first([boards[0], *boards[2:]], 1, work, 1)] == ["a", "c", "d"]
    assert all(isinstance(outcome, Outcome) for outcome in canaries_first(boards, 0, work, 4))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--on", "x"), "give a model, or --rollback"),
        (("small", "--rollback", "--retry", "--on", "x"), "leave out --retry"),
        (("a=small", "a=nano", "--on", "x"), "two models are named"),
        (("$(id)=small", "--on", "x"), "name is '$(id)'"),
        (("small", "--on", "x", "--retry"), "not deployed to these boards"),
        (("small", "--on=-oProxyCommand=id"), "host is"),
    ],
)
def test_wrong_calls_reach_no_board(words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong usage: exit code 2."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    answer = digits("deploy", *words)
    assert (answer.code, answer.out) == (2, "")
    assert told in answer.err


def test_a_model_that_cannot_be_proven_is_not_sent(tmp_path: Path) -> None:
    """A plain .tflite, or none."""
    (tmp_path / "plain.tflite").write_bytes(read_model_file(Path("small")).flatbuffer)
    assert "golden images" in one_line(digits("deploy", "plain.tflite", "--on", "x"), 4)
    assert "none.tflite" in one_line(digits("deploy", "none.tflite", "--on", "x"), 4)


@pytest.mark.ssh
def test_a_model_is_proven_and_switched_to(boards: Boards, model: Path) -> None:
    """Its record says when and by which runtime; the same again changes nothing; status has it by hash."""
    boards.add("target")
    answer = _deploy(boards, "model.tflite", "small=nano", "--on", "target")
    assert answer.code == 0, answer.err
    assert [line.split()[:3] for line in answer.out.splitlines()[1:]] == [
        ["target", "switched", "model"],
        ["target", "switched", "small"],
    ]
    assert _on_board(boards, "target") == SMALL
    assert _on_board(boards, "target", "small") == NANO
    again = _rows(_deploy(boards, "model.tflite", "--on", "target", "--json"))["target"]
    assert (again["passed"], again["models"][0]["changed"]) == (True, False)
    answer = digits("boards", "status", "target", "--json", "--remote-command", boards.digits)
    (found,) = json.loads(answer.out)["boards"]
    assert [(model["name"], model["file_sha256"], model["sound"]) for model in found["models"]] == [
        ("model", hashlib.sha256(SMALL).hexdigest(), True),
        ("small", hashlib.sha256(NANO).hexdigest(), True),
    ]
    assert found["models"][0]["runtime"].startswith("ai-edge-litert ")
    assert found["models"][0]["proven"].endswith("Z")
    assert not list(boards.home("target").rglob("incoming"))


@pytest.mark.ssh
def test_a_model_that_fails_there_changes_nothing(boards: Boards, model: Path) -> None:
    """Not even the other model that passes; exit code 3."""
    boards.add("failing")
    assert _deploy(boards, model, "--on", "failing").code == 0
    model.write_bytes(with_wrong_golden())
    answer = _deploy(boards, "other=nano", model, "--on", "failing", "--json")
    assert answer.code == 3
    assert _rows(answer)["failing"]["cause"] == "proof"
    assert _on_board(boards, "failing") == SMALL
    assert _on_board(boards, "failing", "other") is None


@pytest.mark.ssh
def test_rollback_goes_to_the_former_version_and_back(boards: Boards, model: Path) -> None:
    """Proven again; a board without one is told."""
    boards.add("rolled")
    assert _deploy(boards, model, "--on", "rolled").code == 0
    answer = _deploy(boards, "--rollback", "--on", "rolled")
    assert answer.code == 3
    assert "no former version of model" in answer.err
    model.write_bytes(NANO)
    assert _deploy(boards, model, "--on", "rolled").code == 0
    for expected in (SMALL, NANO, SMALL):
        assert _deploy(boards, "--rollback", "--on", "rolled").code == 0
        assert _on_board(boards, "rolled") == expected
    (boards.home("rolled") / f".local/share/digits/models/.store/model/{hashlib.sha256(NANO).hexdigest()}.tflite").write_bytes(b"x")
    answer = _deploy(boards, "model", "--rollback", "--on", "rolled")
    assert (answer.code, _on_board(boards, "rolled")) == (3, SMALL)
    assert "damaged" in answer.err


@pytest.mark.ssh
def test_a_running_server_takes_the_new_file_over(boards: Boards, model: Path) -> None:
    """And keeps the old one until then; no restart."""
    boards.add("serving")
    assert _deploy(boards, model, "--on", "serving").code == 0
    link = boards.home("serving") / ".local/share/digits/models/model.tflite"
    with served(link, "--reload-seconds", "0.05") as server:
        assert ask(server, "GET", "/v2/models/model").status == 200
        model.write_bytes(NANO)
        assert _deploy(boards, model, "--on", "serving").code == 0
        served_now = read_model_file(Path("nano")).sha256.encode()
        until(lambda: served_now in ask(server, "GET", "/metrics").body, 60)


@pytest.mark.ssh
def test_too_slow_is_refused(boards: Boards, model: Path) -> None:
    """The canary's limit holds on every board, by what is measured there; nothing is saved there for it."""
    home = boards.add("slow-board")
    answer = _deploy(boards, model, "--on", "slow-board", "--max-latency-us", "0.001")
    assert answer.code == 3
    assert "--max-latency-us is 0.0" in answer.err
    assert _on_board(boards, "slow-board") is None
    row = _rows(_deploy(boards, model, "--on", "slow-board", "--max-latency-us", "1e7", "--json"))["slow-board"]
    assert 0 < row["models"][0]["nanoseconds"] < 1e10
    assert not (home / ".cache").exists()


@pytest.mark.ssh
def test_what_fails_is_a_finding_for_that_board_alone(boards: Boards, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unreachable, wrong key, hanging, of another architecture, busy, killed: each told, and --retry takes up those."""
    wrong, killing = boards.root / "wrong-architecture", boards.root / "killing"
    wrong.write_bytes(b"\x7fELF" + bytes(60))
    killing.write_text("#!/bin/sh\nkill -9 $PPID\n")  # in the middle of the proof
    for program in (wrong, killing):
        program.chmod(0o755)
    programs = {"f-good": boards.digits, "f-hang": boards.digits, "f-busy": boards.digits, "f-arch": wrong, "f-killed": killing}
    for name in programs:
        boards.add(name, "cat >/dev/null; exit\n" if name == "f-hang" else "")
    if not boards.home("impostor").exists():
        boards.add("impostor")
    lines = [f"{name} = {json.dumps(str(program))}" for name, program in programs.items()]
    fleet = json.dumps(["closed", "impostor", *programs])
    (boards.root / "boards.toml").write_text("\n".join(["[groups]", f"fleet = {fleet}", "[remote-commands]", *lines]))
    monkeypatch.setenv("EDGE_DIGITS_BOARDS", str(boards.root / "boards.toml"))
    folder = boards.home("f-busy") / ".local/share/digits"
    folder.mkdir(parents=True)
    with (folder / "change.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = digits("deploy", model, "--on", "fleet", "--timeout", 60, "--json")
    assert answer.code == 3
    assert {host: row["cause"] for host, row in _rows(answer).items()} == {
        "closed": "unreachable",
        "impostor": "wrong-key",
        "f-good": "",
        "f-hang": "timeout",
        "f-busy": "busy",
        "f-arch": "broken",
        "f-killed": "broken",
    }
    assert [name for name in programs if _on_board(boards, name) is not None] == ["f-good"]
    (boards.root / "before" / "f-hang").unlink()
    killing.write_text(Path(boards.digits).read_text())
    again = _rows(digits("deploy", model, "--on", "fleet", "--retry", "--json"))
    assert {host: row["passed"] for host, row in again.items()} == {
        "closed": False,
        "impostor": False,
        "f-hang": True,
        "f-busy": True,
        "f-arch": False,
        "f-killed": True,
    }


@pytest.fixture
def owned(boards: Boards, tmp_path: Path) -> str:
    """A board with its owner's key, which is `owner` in the current folder; `thief` is another."""
    for name in ("owner", "thief"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    name = f"owned-{tmp_path.name}"
    home = boards.add(name)
    (home / ".local/share/digits").mkdir(parents=True)
    words = (tmp_path / "owner.pub").read_text().split()
    (home / ".local/share/digits/allowed_signers").write_text(f'owner namespaces="edge-digits" {words[0]} {words[1]}\n')
    return name


@pytest.mark.ssh
def test_a_board_takes_only_what_its_owner_signed(boards: Boards, owned: str, model: Path) -> None:
    """By a key at deployment, or by the signature beside the file; what is rolled back to was signed too."""
    for words in ((), ("--sign", "thief")):
        answer = _deploy(boards, model, "--on", owned, *words)
        assert (answer.code, _on_board(boards, owned)) == (3, None)
        assert "owner" in answer.err
    assert _deploy(boards, model, "--on", owned, "--sign", "owner").code == 0
    model.write_bytes(NANO)
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", "owner", "-n", "edge-digits", model], check=True)
    assert _deploy(boards, model, "--on", owned).code == 0
    assert _on_board(boards, owned) == NANO
    assert _deploy(boards, "--rollback", "--on", owned).code == 0
    assert _on_board(boards, owned) == SMALL
    model.write_bytes(SMALL)  # beside it is the signature of another file
    assert _deploy(boards, model, "--on", owned).code == 3
    status = json.loads(digits("boards", "status", owned, "--json").out)["boards"][0]
    assert [model["signed"] for model in status["models"]] == [True]


@pytest.mark.ssh
def test_a_signature_of_another_purpose_is_refused(boards: Boards, owned: str, model: Path) -> None:
    """Of the owner's own key, but for git, say."""
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", "owner", "-n", "git", model], check=True)
    answer = _deploy(boards, model, "--on", owned)
    assert (answer.code, _on_board(boards, owned)) == (3, None)


@pytest.mark.ssh
def test_a_key_that_cannot_sign_is_told(model: Path) -> None:
    """Wrong usage, in one line."""
    assert "no-key: the model cannot be signed with it" in one_line(digits("deploy", model, "--on", "x", "--sign", "no-key"), 2)
