"""What the table of operators follows from, as one hash: while it stays, the proof in thirteen releases need not be repeated."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
HASH = "tools/release/operators/operators.sha256"
"""Where `tools.release.operators.prove` notes the hash of what it proved."""

_ROOTS = (
    "tools.release.operators.prove",
    "tools.release.operators.run",
    "edge_runtime.model.graph",
    "edge_runtime.model.builtin_operators",
    "train.data.splits",
)
_FOLLOWED = ("tools", "convert")
_NO_INPUTS = (
    "convert.compatibility.runtime_environments",
    "tools.support.environments",
    "tools.release.operators.inputs",
)  # make environments, and this
_MAKERS = ("tensorflow", "keras", "ai-edge-litert", "litert-quantizer", "numpy")


def fingerprint(checkout: Path = CHECKOUT) -> str:
    """SHA-256 of the modules that make, run and judge the sample files, of MNIST, and of the pinned versions of what makes files."""
    digest = hashlib.sha256()
    for path in [*inputs(checkout), checkout / "train" / "data" / "mnist.npz"]:
        digest.update(f"{path.relative_to(checkout)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    for line in (checkout / "constraints.txt").read_text().splitlines():
        if line.partition("==")[0] in _MAKERS:
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def inputs(checkout: Path = CHECKOUT) -> list[Path]:
    """Files of the modules by which samples are made, run and judged: those named here, and what they import of two packages."""
    found: set[Path] = set()
    waiting = list(_ROOTS)
    while waiting:
        path = checkout.joinpath(*waiting.pop().split(".")).with_suffix(".py")
        if path.is_file() and path not in found:
            found.add(path)
            waiting += [name for name in _imports(path) if name.partition(".")[0] in _FOLLOWED and name not in _NO_INPUTS]
    return sorted(found)


def is_proven(checkout: Path = CHECKOUT) -> bool:
    """Whether the committed table was proven from what is here."""
    noted = checkout / HASH
    return noted.is_file() and noted.read_text().strip() == fingerprint(checkout)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
