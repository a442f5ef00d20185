"""`--on HOST`: the command line that a board gets, its files, its output and exit code, and locks."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.boards.hosts import Board
from edge_runtime.boards.remote_commands import json_with_host, local_path, path_inside, place_input, worst_code
from edge_runtime.preprocessing.image_files import png_bytes
from tests.commands import digits, one_line
from tests.conftest import ROOT, draw_digit

from .sshd import Boards, is_free

HOSTILE = (
    "two words.png",
    "semi;colon.png",
    "$(touch x).png",
    "`id`.png",
    "it's.png",
    'quo"te.png',
    "-dash.png",
    "pipe|.png",
    "new\nline.png",
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The laptop's current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_paths_below_the_current_folder_are_the_same_there() -> None:
    """Others are named from the root, inside the job's folder."""
    assert path_inside("scans/a.png") == "scans/a.png"
    assert path_inside("/tmp/a.png") == "tmp/a.png"
    assert path_inside("../a.png") == str(Path.cwd().parent / "a.png").lstrip("/")


def test_only_what_exists_here_is_copied(here: Path) -> None:
    """Files, the files of folders and patterns, arrays of a file, named files; the rest is the board's."""
    for name in ("a.png", "b.png", "x.npz", "scans/c.png", "scans/deep/d.png"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).touch()
    inputs: dict[str, Path] = {}
    words = ("a.png", "scans", "*.png", "x.npz:images", "best=x.npz", "small", "/home/pi/x.tflite", "-", f"{here}/b.png")
    assert [place_input(word, inputs) for word in words] == [*words[:-1], f"{here}/b.png"[1:]]
    assert {inside: str(path) for inside, path in inputs.items()} == {
        "a.png": "a.png",
        "b.png": "b.png",
        "scans/c.png": "scans/c.png",
        "x.npz": "x.npz",
        f"{here}/b.png"[1:]: f"{here}/b.png",
    }


@given(st.text().filter(lambda text: "\0" not in text and "/" not in text))
def test_no_path_leaves_the_jobs_folder(text: str) -> None:
    """Whatever is given for one."""
    for path in (text, f"../{text}", f"/{text}", f"a/../../{text}"):
        assert not os.path.normpath(path_inside(path)).startswith(("/", ".."))


def test_outputs_of_several_boards_are_kept_apart() -> None:
    """In folders of their names."""
    assert local_path(Path("out/r.json"), Board("pi@a"), alone=True) == Path("out/r.json")
    assert local_path(Path("out/r.json"), Board("ssh://pi@a:22"), alone=False) == Path("out/pi@a-22/r.json")


def test_exit_codes_of_several_boards_are_one() -> None:
    """The common one, or that some failed."""
    assert [worst_code(codes) for codes in ([0, 0], [1, 1], [0, 1], [4, 1])] == [0, 1, 3, 3]


def test_json_of_several_boards_says_which() -> None:
    """What is no object is labelled as text is."""
    assert json.loads(json_with_host("a", b'{"x": 1}\n')) == {"host": "a", "x": 1}
    assert json_with_host("a", b"[1]\n") == b"a: [1]\n"


@pytest.mark.ssh
def test_verify_is_run_on_a_board(boards: Boards, here: Path) -> None:
    """With a model from here, its receipt brought back; nothing of the job stays there."""
    home = boards.add("verifier")
    (here / "mine.tflite").write_bytes((ROOT / "edge_runtime/models/nano-int8.tflite").read_bytes())
    command = ("verify", "mine.tflite", "--on", "verifier", "--remote-command", boards.digits, "--receipt", "out/r.json")
    answer = digits(*command)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("passed: nano on ")
    assert json.loads((here / "out" / "r.json").read_text())["passed"] is True
    assert not (home / ".local/share/digits/jobs").exists()
    again = digits(*command)
    assert (again.code, again.err.count("\n")) == (1, 1)
    assert "out/r.json exists already; give --force" in again.err
    assert digits(*command, "--force").code == 0


@pytest.mark.ssh
def test_the_exit_code_and_the_error_are_the_commands_own(boards: Boards) -> None:
    """As without --on."""
    boards.add("erring")
    here, there = (
        digits("verify", "none.tflite"),
        digits("verify", "none.tflite", "--on", "erring", "--remote-command", boards.digits),
    )
    assert (there.code, there.out, there.err) == (here.code, here.out, here.err)
    assert here.code == 4


@pytest.mark.ssh
def test_pictures_of_any_name_are_classified_on_a_board(boards: Boards, here: Path) -> None:
    """No shell on the way sees them; output names them as they were given."""
    home = boards.add("classifier")
    for name in HOSTILE:
        (here / name).write_bytes(png_bytes(draw_digit(7)))
    answer = digits("classify", "--json", "--on", "classifier", "--remote-command", boards.digits, "--", *HOSTILE)
    assert answer.code == 0, answer.err
    assert [json.loads(line)["source"] for line in answer.out.splitlines()] == list(HOSTILE)
    assert sorted(path.name for path in here.iterdir()) == sorted(HOSTILE)
    assert not [path for path in home.rglob("*") if path.name in ("x", *HOSTILE)]


@pytest.mark.ssh
def test_standard_input_reaches_the_board(boards: Boards, here: Path) -> None:
    """An image by a pipe, as without --on."""
    boards.add("piped")
    words = ["classify", "-", "--on", "piped", "--remote-command", boards.digits]
    done = subprocess.run(
        [sys.executable, "-m", "edge_runtime.cli", *words],
        input=png_bytes(draw_digit(7)),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"-: ")


@pytest.mark.ssh
def test_several_boards_run_it_at_the_same_time(boards: Boards, here: Path) -> None:
    """Each line with its board's name; a board that cannot be reached is told, and the exit code is 3."""
    boards.add("first")
    boards.add("second")
    on = ("--on", "first", "--on", "second", "--remote-command", boards.digits)
    answer = digits("verify", "--json", "--receipt", "r.json", *on)
    assert answer.code == 0, answer.err
    assert {json.loads(line)["host"] for line in answer.out.splitlines()} == {"first", "second"}
    assert (here / "first" / "r.json").exists()
    assert (here / "second" / "r.json").exists()
    answer = digits("verify", "--on", "closed", *on)
    assert answer.code == 3
    assert sorted(line.split(":")[0] for line in answer.out.splitlines()) == ["first", "second"]
    assert answer.err.startswith("digits: closed: it cannot be reached")


@pytest.mark.ssh
def test_a_folder_of_results_is_brought_back(boards: Boards, here: Path, tmp_path: Path) -> None:
    """Of a command with a default output, which gets its options as they were given; files that were here are seen there, and stay."""
    boards.add("bencher")
    program = tmp_path / "digits"
    program.write_text(
        '#!/bin/sh\nls results; mkdir -p results/plots; echo new > results/pi.json; echo new > results/plots/a; printf "%s\\n" "$@"\n'
    )
    program.chmod(0o755)
    (here / "results").mkdir()
    (here / "results" / "other.json").write_text("mine")
    on = ("--on", "bencher", "--remote-command", program)
    answer = digits("bench", "small", "--no-accuracy", "--batches", "10,2", "--samples", 20, *on)
    words = ["bench", "--no-accuracy", "--samples=20", "--batches=2,10", "--out=results", "--", "small"]
    assert (answer.code, answer.out.splitlines()) == (0, ["other.json", *words])
    found = {str(path.relative_to(here)): path.read_text() for path in here.rglob("*") if path.is_file()}
    assert found == {"results/other.json": "mine", "results/pi.json": "new\n", "results/plots/a": "new\n"}


@pytest.mark.ssh
@pytest.mark.parametrize(
    ("command", "told"), [((), "run: digits boards setup lacking"), (("--remote-command", "/no/digits"), "no program /no/digits")]
)
def test_a_board_without_digits_is_told(boards: Boards, command: tuple[str, ...], told: str) -> None:
    """In one line, with the remedy."""
    if not boards.home("lacking").exists():
        boards.add("lacking")
    assert told in one_line(digits("doctor", "--on", "lacking", *command), 1)


@pytest.mark.ssh
def test_measurements_take_turns(boards: Boards) -> None:
    """A second one is refused while the first holds the lock; verify is no measurement."""
    home = boards.add("measured")
    folder = home / ".local/share/digits"
    folder.mkdir(parents=True)
    on = ("--on", "measured", "--remote-command", boards.digits)
    with (folder / "measuring.lock").open("w") as lock:
        lock.write("bench by somebody@elsewhere, since 12:00:00")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        error = one_line(digits("tune", *on), 1)
        assert "measured: bench by somebody@elsewhere, since 12:00:00 is still running there" in error
        assert digits("verify", *on).code == 0
    answer = digits("tune", *on)
    assert answer.code == 0, answer.err
    assert "us per image" in answer.out


@pytest.mark.ssh
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_laptop_that_dies_leaves_no_measurement_and_no_lock(boards: Boards, end: signal.Signals, tmp_path: Path) -> None:
    """What measured is stopped, and the lock with it."""
    name = f"orphan-{end.name}"
    home = boards.add(name)
    program = tmp_path / "digits"
    program.write_text('#!/bin/sh\necho $$ > "$HOME/running"\nexec sleep 600\n')
    program.chmod(0o755)
    words = [sys.executable, "-m", "edge_runtime.cli", "tune", "--on", name, "--remote-command", str(program)]
    laptop = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True, stderr=subprocess.DEVNULL)
    while not (home / "running").exists() or not (home / "running").read_text():
        time.sleep(0.02)
    laptop.send_signal(end)
    laptop.wait()
    number = int((home / "running").read_text())
    while Path(f"/proc/{number}").exists():
        time.sleep(0.02)
    lock = home / ".local/share/digits/measuring.lock"
    while not is_free(lock):
        time.sleep(0.02)
    while (home / ".local/share/digits/jobs").exists():
        time.sleep(0.02)
