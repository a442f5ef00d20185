"""Who may import whom, by reading every import and by importing every package in a process of its own."""

import ast
import graphlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("train", "convert", "edge_runtime", "benchmarks")
ALLOWED = {
    "edge_runtime": set(),
    "train": {"edge_runtime", "train.data"},
    "train.data": {"edge_runtime"},
    "convert": {"edge_runtime", "train", "train.data"},
    "benchmarks": {"edge_runtime", "train.data"},
}
ONE_MODULE = {
    "click": {
        "edge_runtime.cli",
        "edge_runtime.cli_options",
        "edge_runtime.cli_remote",
        "train.cli_options",
        "train.runs.summary",
    },  # and every other cli module
    "PIL": {"edge_runtime.preprocessing.image_files", "edge_runtime.explanation"},  # files; drawing, with text
    "starlette": {"edge_runtime.serving.app"},
    "uvicorn": {"edge_runtime.serving.http.connection", "edge_runtime.serving.server"},
    "h11": {"edge_runtime.serving.http.connection"},
    "segno": {"edge_runtime.serving.qr_code"},
    "prometheus_client": {"edge_runtime.serving.metrics"},
    "ai_edge_litert": set(),  # named in edge_runtime.inference.interpreter and imported by that name alone
    "tflite_runtime": set(),
    "tflite_micro": set(),  # runs in processes of its own
    "dask": {"edge_runtime.distributed.cluster"},
    "distributed": {"edge_runtime.distributed.cluster"},
    "pyarrow": {"edge_runtime.inputs.parquet"},
    "optuna": {"train.search.study"},
    "tensorflow": {"train.backend"},
    "keras": {"train.backend", "train.data.dataset", "train.runs.store"},  # a fallback; types alone
}


def _modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = _modules()


@cache
def _imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, wherever the import stands."""
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module or ""} | {
                f"{node.module}.{alias.name}" for alias in node.names if f"{node.module}.{alias.name}" in MODULES
            }
    return frozenset(names)


def _home(module: str) -> str:
    """The entry of ALLOWED that a module of ours belongs to."""
    return "train.data" if f"{module}.".startswith("train.data.") else module.partition(".")[0]


@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith(".cli")])
def test_a_module_imports_only_packages_that_its_own_may(module: str) -> None:
    """Outside the composition roots, an import of ours is in the table, and none is of a cli module."""
    for imported in _imports(MODULES[module]):
        if imported.partition(".")[0] in PACKAGES and _home(imported) != _home(module):
            assert _home(imported) in ALLOWED[_home(module)], imported
        assert not imported.endswith(".cli"), imported


@pytest.mark.parametrize("package", ONE_MODULE)
def test_a_heavy_package_is_imported_in_its_own_modules_only(package: str) -> None:
    """Of edge_runtime and train, only the named modules import it."""
    importers = {
        name
        for name, path in MODULES.items()
        if name.partition(".")[0] in ("edge_runtime", "train")
        and not (package == "click" and name.endswith(".cli") and name != "edge_runtime.cli")
        and any(imported.partition(".")[0] == package for imported in _imports(path))
    }
    assert importers == ONE_MODULE[package]


def _room(module: str) -> str:
    """The folder that a module stands in; a module beside a package's folders is a room of its own."""
    folder = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    return module if folder in PACKAGES else folder


def _arrows() -> dict[str, set[str]]:
    """Which rooms each room imports from, within its package."""
    arrows: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        for imported in _imports(path) & set(MODULES) - set(PACKAGES):
            if imported.partition(".")[0] == module.partition(".")[0] and _room(imported) != _room(module):
                arrows.setdefault(_room(module), set()).add(_room(imported))
    return arrows


def test_rooms_import_in_one_direction() -> None:
    """No two folders of a package import each other, nor do more of them in a circle."""
    graphlib.TopologicalSorter(_arrows()).prepare()  # raises CycleError, which names them


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES.values()}), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_can_be_overseen(folder: Path) -> None:
    """At most twelve modules, and a docstring that says what comes in and what goes out."""
    assert len(list(folder.glob("*.py"))) - 1 <= 12
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    words = ("Imports", "Imported by", "Flow") if folder.name in PACKAGES else ("In", "Out")
    assert all(f"\n{word}: " in docstring for word in words)


def _loaded_by(statement: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after a statement, beyond those it starts with."""
    code = f"import json, sys; before = set(sys.modules); {statement}; print(json.dumps(sorted(set(sys.modules) - before)))"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=True)
    return set(json.loads(child.stdout))


@pytest.mark.parametrize(
    ("statement", "ours"),
    [
        ("import edge_runtime", {"edge_runtime"}),
        ("import train.data", {"edge_runtime", "train"}),
        ("import train.config.config_file", {"edge_runtime", "train"}),
        ("import train.distillation.teachers", {"edge_runtime", "train"}),
        ("import train.loop.threads", {"train"}),
        ("import train.cli", {"edge_runtime", "train", "click"}),
        ("import train.experiments.cli", {"edge_runtime", "train", "click"}),
        ("import train.search.cli", {"edge_runtime", "train", "click"}),
        ("import edge_runtime.preprocessing", {"edge_runtime"}),
        ("import edge_runtime.inference.out_of_distribution", {"edge_runtime"}),
        ("import edge_runtime.reading.cli", {"edge_runtime", "click"}),
        ("import edge_runtime.cli", {"edge_runtime", "click"}),
        ("import edge_runtime.classify.cli", {"edge_runtime", "click"}),
        ("import edge_runtime.serving.cli", {"edge_runtime", "click"}),
        ("import edge_runtime.serving.models.repository", {"edge_runtime"}),
        ("import benchmarks", {"benchmarks"}),
        ("import benchmarks.cli", {"benchmarks", "edge_runtime", "train", "click", "PIL"}),
        ("import benchmarks.comparison.cli", {"benchmarks", "edge_runtime", "click"}),
        ("import benchmarks.worker.main, benchmarks.backends.ours", {"benchmarks", "edge_runtime"}),
        ("import convert", {"convert"}),
    ],
)
def test_importing_loads_numpy_and_the_named_packages_at_most(statement: str, ours: set[str]) -> None:
    """A fresh process has nothing else that is installed: no TensorFlow, Pillow, click or interpreter."""
    loaded = {name.partition(".")[0] for name in _loaded_by(statement)}
    foreign = {name for name in loaded if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign - {"numpy"} == ours


@pytest.mark.parametrize("statement", ["import edge_runtime", "import edge_runtime.cli"])
def test_what_only_helps_loads_no_numpy(statement: str) -> None:
    """`digits --help` is quick; what needs numpy loads it."""
    assert "numpy" not in _loaded_by(statement)
    assert "numpy" in _loaded_by(f"{statement}; from edge_runtime import Classifier")


def test_importing_train_data_leaves_the_rest_of_train_alone() -> None:
    """train.data needs nothing of train but itself."""
    ours = {name for name in _loaded_by("import train.data") if name.startswith("train")}
    assert ours == {"train", "train.data", "train.data.dataset", "train.data.idx", "train.data.splits"}


@pytest.mark.parametrize("package", PACKAGES)
def test_ours_are_the_packages_that_are_imported(package: str) -> None:
    """A stray `benchmarks` or `train` folder elsewhere has not won over this checkout."""
    code = f"import {package}; print({package}.__file__)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=True)
    assert Path(child.stdout.strip()) == ROOT / package / "__init__.py"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_states_its_own_line(package: str) -> None:
    """The docstring says what the package imports, who imports it, and what flows through it."""
    docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text())) or ""
    assert all(f"\n{word}:" in docstring for word in ("Imports", "Imported by", "Flow"))
