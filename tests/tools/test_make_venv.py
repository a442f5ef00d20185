"""tools/make_venv.sh, which `make` calls: which Python it takes, by what it installs, and the one line that says what is wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Stands in for a Python and for that of the environment it makes. It says its version, and writes down what it is asked to install.
FAKE = """\
#!/bin/sh
case "$*" in
    *version_info*) echo {version} ;;
    *ensurepip*) exit {bare} ;;
    "-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp uv .venv/bin/uv ;;
    "-m pip --version") ;;
    "-m pip config list") cat settings ;;
    "-m pip install "*) echo "pip: $*" >> asked; cat pip-says >&2; [ ! -s pip-says ] ;;
esac
"""
FAKE_UV = """\
#!/bin/sh
[ "$*" != "cache dir" ] || {{ echo "$HOME/.cache/uv"; exit; }}
echo "uv: $* cache: ${{UV_CACHE_DIR-}}" >> asked
exit {code}
"""
BROKEN = "#!/bin/sh\necho 'pyenv: python3.11: command not found' >&2\nexit 127\n"


class Checkout:
    """A folder with the script, a path with no Python but those that a test puts there, and what pip and uv were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder / "a check out", [folder / "first", folder / "then"]
        (self.folder / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "make_venv.sh", self.folder / "tools")
        for path in self.path:
            path.mkdir()
        system = folder / "system"  # commands, and no Python
        system.mkdir()
        for name in ("sh", "dirname", "df", "awk", "sort", "tr", "grep", "tail", "mkdir", "cp", "cat", "touch"):
            (system / name).symlink_to(str(shutil.which(name)))
        self.environment = {"PATH": ":".join(map(str, [*self.path, system])), "HOME": str(folder)}
        self.write("settings", "pip-says", "asked")
        self.uv()

    def write(self, *names: str, text: str = "") -> None:
        """Files of that content."""
        for name in names:
            (self.folder / name).write_text(text)

    def uv(self, code: int = 0) -> None:
        """What pip installs as uv, and how that will end."""
        self._program(self.folder / "uv", FAKE_UV.format(code=code))

    def python(self, name: str, version: str = "", place: int = 0, bare: int = 0) -> Path:
        """A Python of that version on the path; without a version, one that does not start."""
        return self._program(self.path[place] / name, FAKE.format(version=version, bare=bare) if version else BROKEN)

    def make(self, **variables: str) -> "subprocess.CompletedProcess[str]":
        """What came of the script."""
        command = ["sh", str(self.folder / "tools" / "make_venv.sh")]
        return subprocess.run(command, env=self.environment | variables, capture_output=True, text=True, cwd="/", check=False)

    def asked(self) -> list[str]:
        """What pip and uv were asked to do."""
        return (self.folder / "asked").read_text().splitlines()

    def fails(self, **variables: str) -> str:
        """The one line that the script ends in."""
        done = self.make(**variables)
        assert done.returncode == 1
        assert not (self.folder / ".venv" / ".ready").exists()
        (line,) = done.stderr.splitlines()
        assert line.startswith("make: ")
        return line

    def _program(self, path: Path, text: str) -> Path:
        path.write_text(text)
        path.chmod(0o755)
        return path


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """One without any Python yet, in a path with spaces."""
    return Checkout(tmp_path)


def test_what_does_not_start_or_is_too_old_is_passed_over(checkout: Checkout) -> None:
    """A shim without a version behind it, an old and a new python3, then one that will do."""
    checkout.python("python3.11")
    checkout.python("python3", "3.10")
    checkout.python("python", "3.14")
    right = checkout.python("python3", "3.12", place=1)
    done = checkout.make()
    assert (done.returncode, done.stderr) == (0, "")
    assert f".venv of {right}:" in done.stdout
    assert (checkout.folder / ".venv" / ".ready").exists()


def test_a_shim_hides_nothing_behind_it(checkout: Checkout) -> None:
    """The second python3.11 on the path works."""
    checkout.python("python3.11")
    right = checkout.python("python3.11", "3.11", place=1)
    assert f".venv of {right}:" in checkout.make().stdout


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_any_python_of_these_will_do(checkout: Checkout, version: str) -> None:
    """Whatever it is called."""
    right = checkout.python("python3", version)
    assert f".venv of {right}:" in checkout.make().stdout


def test_a_python_can_be_named(checkout: Checkout) -> None:
    """By its path or by its name; one that will not do is an error, also where another would."""
    checkout.python("python3.11", "3.11")
    named = checkout.python("my-python", "3.13")
    old = checkout.python("old", "3.9")
    assert f"found: {old} (3.9)" in checkout.fails(PYTHON=str(old))
    assert f".venv of {named}:" in checkout.make(PYTHON="my-python").stdout
    shutil.rmtree(checkout.folder / ".venv")
    assert f".venv of {named}:" in checkout.make(PYTHON=str(named)).stdout


@pytest.mark.parametrize("version", ["3.10", "3.14"])
def test_without_a_python_that_will_do_one_line_says_what_was_found(checkout: Checkout, version: str) -> None:
    """And what to do."""
    old, shim = checkout.python("python3", version), checkout.python("python3.11")
    line = checkout.fails()
    assert f"needs Python 3.11, 3.12 or 3.13; found: {shim} (does not start), {old} ({version})" in line
    assert "make PYTHON=" in line


def test_without_any_python_one_line_says_so(checkout: Checkout) -> None:
    """It names what is needed."""
    assert "needs Python 3.11, 3.12 or 3.13; found: none" in checkout.fails()


def test_a_python_without_ensurepip_is_told_apart(checkout: Checkout) -> None:
    """As Debian's without python3-venv: the package is named, unless another Python can make environments."""
    bare = checkout.python("python3", "3.11", bare=1)
    assert f"{bare} has no ensurepip" in (line := checkout.fails())
    assert "apt install python3.11-venv" in line
    right = checkout.python("python3", "3.13", place=1)
    assert f".venv of {right}:" in checkout.make().stdout


def test_an_environment_that_works_is_kept(checkout: Checkout) -> None:
    """One whose Python is gone, or is of another version, is made again."""
    checkout.python("python3", "3.11")
    assert ".venv of" in checkout.make().stdout
    assert ".venv of" not in checkout.make().stdout
    (checkout.folder / ".venv" / "bin" / "python").write_text(FAKE.format(version="3.10", bare=0))
    assert ".venv of" in checkout.make().stdout
    (checkout.folder / ".venv" / "bin" / "python").write_text(BROKEN)
    assert ".venv of" in checkout.make().stdout


def test_uv_installs_and_pip_where_uv_cannot(checkout: Checkout) -> None:
    """Both by the same constraints; pip is asked for uv first."""
    checkout.python("python3", "3.11")
    assert checkout.make().returncode == 0
    first, second = checkout.asked()
    assert first.endswith("-c constraints.txt --retries 1 --only-binary=:all: uv")
    assert second.startswith("uv: pip install --quiet --python .venv/bin/python -c constraints.txt -e .[train,")
    checkout.write("asked")
    checkout.uv(code=2)
    shutil.rmtree(checkout.folder / ".venv")
    assert checkout.make().returncode == 0
    assert "-c constraints.txt -e .[train," in checkout.asked()[2]
    assert checkout.asked()[2].startswith("pip: ")


@pytest.mark.parametrize(
    ("settings", "by_pip"),
    [
        ("global.index-url='https://mirror.example/simple'", True),
        (":env:.extra-index-url='http://mirror.example/simple'", True),
        ("global.proxy='http://proxy.example:3128'", True),
        ("global.no-index='1'", True),
        ("global.extra-index-url='file:///opt/simple'\nglobal.cert='/etc/certificates.crt'\n:env:.find-links='/opt/wheels'", False),
    ],
)
def test_where_pip_has_been_told_of_an_index_pip_installs(checkout: Checkout, settings: str, by_pip: bool) -> None:
    """Since uv does not read what pip was told."""
    checkout.python("python3", "3.11")
    checkout.write("settings", text=settings)
    assert checkout.make().returncode == 0
    assert all(line.startswith("pip: ") for line in checkout.asked()) == by_pip


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null"])
def test_a_home_that_cannot_be_written_to_is_left_alone(checkout: Checkout, home: str) -> None:
    """What uv keeps is kept in the checkout then."""
    checkout.python("python3", "3.11")
    assert checkout.make(HOME=home).returncode == 0
    assert checkout.asked()[1].endswith(f"cache: {checkout.folder}/.cache/uv")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "make: the disk is full ("),
        ("WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\nERROR: nothing", "cannot be reached"),
        ("WARNING: Retrying after connection broken: Temporary failure in name resolution\nERROR: nothing", "cannot be reached"),
        (
            "Traceback\n  File\nERROR: No matching distribution found for x==1\n\n",
            "make: ERROR: No matching distribution found for x==1 (",
        ),
    ],
)
def test_what_pip_says_becomes_one_line(checkout: Checkout, said: str, line: str) -> None:
    """A full disk, no network, and anything else, whose last line is told with where the others are."""
    checkout.python("python3", "3.11")
    checkout.write("pip-says", text=said)
    assert line in checkout.fails()
    if "No matching" in said:
        assert (checkout.folder / ".venv" / "install.log").read_text().strip() == said.strip()


@pytest.mark.slow
def test_without_a_network_one_line_says_so(checkout: Checkout) -> None:
    """By a real Python and its real pip, for an index that nobody answers for; no traceback."""
    variables = {
        "PYTHON": sys.executable,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
    }
    shutil.copy(ROOT / "pyproject.toml", checkout.folder)
    shutil.copy(ROOT / "constraints.txt", checkout.folder)
    assert "the package index cannot be reached" in checkout.fails(**variables)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts disks")
def test_on_a_full_disk_one_line_says_so(checkout: Checkout) -> None:
    """By a real Python, on a disk of 4 MB, too small for an environment with nothing in it; no traceback."""
    there = f"mount -t tmpfs -o size=4M disk '{checkout.folder}' && cd '{checkout.folder}'"
    script = f"{there} && mkdir tools && cat > tools/make_venv.sh && exec sh tools/make_venv.sh"
    environment = {**os.environ, "PYTHON": sys.executable}
    text = (ROOT / "tools" / "make_venv.sh").read_text()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], input=text, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("make: the disk is full (")
    assert str(checkout.folder) in line
