"""`digits boards setup`, `remove` and `status` over SSH, and the kinds of boards that there are."""

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.boards import wheels
from edge_runtime.boards.installation import environment_name, owner_line, target_of
from edge_runtime.errors import BadArgument, BoardError
from tests.commands import digits

from .sshd import Boards
from .wheels import stub_wheel

PI4 = {"machine": "aarch64", "bits": 64, "python": "3.11", "libc": "glibc", "libc_version": "2.36", "system": []}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ("aarch64", "3.11", 36, "litert", ())),
        ({"python": "3.13", "libc_version": "2.41"}, ("aarch64", "3.13", 41, "litert", ())),
        ({"machine": "x86_64"}, ("x86_64", "3.11", 36, "litert", ())),
        ({"bits": 32, "system": ["numpy", "PIL"]}, ("armv7l", "3.11", 36, "tflite", ("numpy", "pillow"))),
        ({"machine": "armv7l", "bits": 32, "system": ["numpy", "PIL"]}, ("armv7l", "3.11", 36, "tflite", ("numpy", "pillow"))),
    ],
)
def test_a_board_gets_the_wheels_of_its_kind(facts: dict[str, Any], expected: tuple[object, ...]) -> None:
    """By its Python's bits, not by what its kernel says."""
    found = target_of("pi", {**PI4, **facts})
    assert (found.machine, found.python, found.glibc, found.runtime, found.from_debian) == expected


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"machine": "armv6l", "bits": 32}, "32-bit armv6l"),
        ({"bits": 32, "python": "3.13", "system": ["numpy", "PIL"]}, "Python 3.13"),
        ({"bits": 32, "system": ["numpy"]}, "sudo apt install python3-pil"),
        ({"libc": "", "libc_version": ""}, "other than glibc"),
        ({"libc_version": "2.24"}, "glibc 2.24"),
        ({"machine": "riscv64"}, "riscv64"),
        ({"python": "3.15"}, "Python 3.15"),
    ],
)
def test_a_board_that_nothing_fits_is_told_why(facts: dict[str, Any], told: str) -> None:
    """With what it is."""
    with pytest.raises(BoardError, match=r"^pi: ") as caught:
        target_of("pi", {**PI4, **facts})
    assert told in str(caught.value)
    assert caught.value.cause == "architecture"


def test_an_environment_is_named_by_its_content(tmp_path: Path) -> None:
    """The same files at another time give the same name; another file, extra or Python does not."""
    wheel = stub_wheel(tmp_path / "a")
    name = environment_name([wheel], "edge-digits[litert]", "3.11")
    again = stub_wheel(tmp_path / "b")
    with zipfile.ZipFile(again, "a") as archive:
        archive.comment = b"built again"
    assert environment_name([again], "edge-digits[litert]", "3.11") == name
    others = {
        environment_name([stub_wheel(tmp_path / "c", said="other")], "edge-digits[litert]", "3.11"),
        environment_name([wheel], "edge-digits[litert,serve]", "3.11"),
        environment_name([wheel], "edge-digits[litert]", "3.12"),
    }
    assert len(others | {name}) == 4


def test_an_installed_package_is_packed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a checkout, the wheel has every installed file, and a RECORD that is right."""
    site, info = tmp_path / "site", "edge_digits-0.1.0.dist-info"
    with zipfile.ZipFile(stub_wheel(tmp_path)) as archive:
        archive.extractall(site)
    (site / "__pycache__").mkdir()
    (site / "__pycache__" / "stub_digits.pyc").touch()
    (site / info / "INSTALLER").write_text("pip")
    with (site / info / "RECORD").open("a") as record:
        record.write(f"__pycache__/stub_digits.pyc,,\n{info}/INSTALLER,,\n../../bin/digits,,\n")
    found = next(iter(wheels.importlib.metadata.distributions(path=[str(site)])))
    monkeypatch.setattr(wheels.importlib.metadata, "distribution", lambda name: found)
    monkeypatch.setattr(wheels, "CHECKOUT", tmp_path / "nowhere")
    packed = wheels.own_wheel(tmp_path / "packed")
    with zipfile.ZipFile(packed) as archive, zipfile.ZipFile(tmp_path / "edge_digits-0.1.0-py3-none-any.whl") as original:
        assert {name: archive.read(name) for name in archive.namelist() if "RECORD" not in name} == {
            name: original.read(name) for name in original.namelist() if "RECORD" not in name
        }
        assert sorted(archive.read(f"{info}/RECORD").split()) == sorted(original.read(f"{info}/RECORD").split())


def test_an_owners_key_is_a_public_key(tmp_path: Path) -> None:
    """A private key, or nothing, is wrong usage."""
    key = tmp_path / "key.pub"
    key.write_text("ssh-ed25519 AAAA laptop\n")
    assert owner_line(key) == 'owner namespaces="edge-digits" ssh-ed25519 AAAA\n'
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    for path in (key, tmp_path / "none"):
        with pytest.raises(BadArgument, match="public key"):
            owner_line(path)


def _files(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


@pytest.mark.ssh
def test_a_board_is_set_up_from_nothing(boards: Boards) -> None:
    """By the real wheels, gathered for it: digits verifies there, and is used from then on; remove leaves nothing behind."""
    home = boards.add("fresh", before="export PIP_NO_INDEX=1 http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9\n")
    answer = digits("boards", "setup", "fresh")
    assert answer.code == 0, answer.err
    assert "fresh: passed: small on ai-edge-litert" in answer.out
    assert (home / ".local/share/digits/current/bin/digits").exists()
    assert not (home / ".local/share/digits/wheels").exists()
    found = json.loads(digits("boards", "status", "fresh", "--json").out)["boards"]
    assert [(board["host"], board["reachable"], board["version"], board["models"]) for board in found] == [
        ("fresh", True, "0.1.0", [])
    ]
    answer = digits("boards", "remove", "fresh")
    assert (answer.out, answer.err) == ("fresh: removed\n", "")
    assert _files(home) == []
    assert digits("boards", "remove", "fresh").out == "fresh: nothing was there\n"


@pytest.mark.ssh
def test_setup_again_changes_nothing(boards: Boards, stub_wheels: Path) -> None:
    """Nothing is copied or installed; digits verify is run."""
    home = boards.add("again")
    assert digits("boards", "setup", "again", "--wheels", stub_wheels).code == 0
    current = home / ".local/share/digits/current"
    before, made = current.readlink(), (current / "bin" / "digits").stat().st_mtime_ns
    answer = digits("boards", "setup", "again", "--wheels", stub_wheels)
    assert (answer.code, answer.out) == (0, "again: passed\n")
    assert "again: up to date" in answer.err
    assert "copying" not in answer.err
    assert (current.readlink(), (current / "bin" / "digits").stat().st_mtime_ns) == (before, made)


@pytest.mark.ssh
def test_an_upgrade_keeps_the_environment_before(boards: Boards, stub_wheels: Path) -> None:
    """A server may still be running in it; the one before that is removed."""
    home = boards.add("upgraded")
    for version in ("0.1.0", "0.2.0", "0.3.0"):
        for old in stub_wheels.glob("edge_digits-*"):
            old.unlink()
        stub_wheel(stub_wheels, version, said=f"passed {version}")
        assert digits("boards", "setup", "upgraded", "--wheels", stub_wheels).out == f"upgraded: passed {version}\n"
    assert len(list((home / ".local/share/digits/environments").iterdir())) == 2


@pytest.mark.ssh
def test_a_version_that_fails_its_proof_is_not_switched_to(boards: Boards, stub_wheels: Path) -> None:
    """The board keeps what it had; exit code 3, in a line that names it."""
    home = boards.add("kept")
    assert digits("boards", "setup", "kept", "--wheels", stub_wheels).code == 0
    current = home / ".local/share/digits/current"
    before = current.readlink()
    (stub_wheels / "edge_digits-0.1.0-py3-none-any.whl").unlink()
    stub_wheel(stub_wheels, "0.2.0", said="failed", code=1)
    answer = digits("boards", "setup", "kept", "--wheels", stub_wheels)
    assert answer.code == 3
    assert "kept: digits verify failed there" in answer.err
    assert current.readlink() == before


@pytest.mark.ssh
def test_a_failing_board_does_not_hold_up_others(boards: Boards, stub_wheels: Path) -> None:
    """A finding for that board alone: exit code 3 names it, the other is set up."""
    boards.add("good")
    answer = digits("boards", "setup", "closed", "good", "--wheels", stub_wheels)
    assert (answer.code, answer.out) == (3, "good: passed\n")
    assert "closed: it cannot be reached" in answer.err
    assert answer.err.endswith("digits: 1 of 2 boards failed: closed\n")


@pytest.mark.ssh
def test_wheels_without_pip_are_told(boards: Boards, tmp_path: Path) -> None:
    """Before anything is copied."""
    stub_wheel(tmp_path / "wheels")
    boards.add("pipless")
    answer = digits("boards", "setup", "pipless", "--wheels", tmp_path / "wheels")
    assert answer.code == 3
    assert "has no wheel of pip" in answer.err


@pytest.mark.ssh
def test_an_owners_key_stays(boards: Boards, stub_wheels: Path, tmp_path: Path) -> None:
    """Another one is refused."""
    home = boards.add("owned")
    for name, code in (("one", 0), ("one", 0), ("two", 3)):
        key = tmp_path / f"{name}.pub"
        key.write_text(f"ssh-ed25519 {name}\n")
        answer = digits("boards", "setup", "owned", "--wheels", stub_wheels, "--owner-key", key)
        assert answer.code == code, answer.err
    assert "another owner's key" in answer.err
    assert (home / ".local/share/digits/allowed_signers").read_text().endswith("ssh-ed25519 one\n")


@pytest.mark.ssh
def test_a_transfer_goes_on_where_it_ended(boards: Boards, stub_wheels: Path) -> None:
    """What is there already is not sent again, and is checked: a wrong part is replaced."""
    home = boards.add("resumed")
    part = home / ".local/share/digits/wheels"
    part.mkdir(parents=True)
    (pip,) = stub_wheels.glob("pip-*")
    content = pip.read_bytes()
    (part / f"{pip.name}.part").write_bytes(content[: len(content) // 2])
    (part / "edge_digits-0.1.0-py3-none-any.whl.part").write_bytes(b"wrong")
    (part / "edge_digits-9.9.9-py3-none-any.whl").write_bytes(b"left by an older setup")
    answer = digits("boards", "setup", "resumed", "--wheels", stub_wheels)
    assert (answer.code, answer.out) == (0, "resumed: passed\n")
    assert not part.exists()


@pytest.mark.ssh
@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root")
def test_a_full_disk_is_told(boards: Boards, stub_wheels: Path) -> None:
    """With how much is missing; nothing half is left in use."""
    home = boards.add("full", before='mount -t tmpfs -o size=2m none "$HOME"; cd "$HOME"\n')
    shutil.copy(boards.root / "before" / "full", boards.root / "before" / "full.real")
    (boards.root / "before" / "full").write_text(
        f"exec unshare -m sh -c '. {boards.root}/before/full.real; exec sh -c \"$SSH_ORIGINAL_COMMAND\"'\n"
    )
    answer = digits("boards", "setup", "full", "--wheels", stub_wheels)
    assert answer.code == 3
    assert "full: the disk is full:" in answer.err
    assert _files(home) == []


@pytest.mark.ssh
def test_a_status_of_what_cannot_be_reached_is_a_row(boards: Boards) -> None:
    """Beside the others; exit code 3."""
    boards.add("bare-board")
    answer = digits("boards", "status", "closed", "bare-board")
    assert answer.code == 3
    rows = answer.out.splitlines()[1:]
    assert rows[0].startswith("closed      not reachable: it cannot be reached")
    assert "run: digits boards setup bare-board" in rows[1]
