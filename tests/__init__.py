"""The tests. What the person who runs them has set up for himself is put aside here, before anything is loaded."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# What this project or a library that it uses would heed, and no test means.
for _name in (
    *("COLUMNS", "DIGITS_TOKEN", "EDGE_DIGITS_VERBOSE", "KERAS_BACKEND", "MPLBACKEND", "NOTIFY_SOCKET"),
    *("PYTHONDEVMODE", "PYTHONFAULTHANDLER", "PYTHONWARNINGS"),
):
    os.environ.pop(_name, None)
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "127.0.0.1", "localhost")))
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its threads' memory would be counted, so that limits would mean less on many cores

# What `digits tune` remembers and what Keras is configured for; wheels that were fetched once are no such thing.
_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
os.environ.setdefault("PIP_CACHE_DIR", str(_cache / "pip"))
os.environ.setdefault("UV_CACHE_DIR", str(_cache / "uv"))
_own = tempfile.mkdtemp(prefix="digits-tests-")
atexit.register(shutil.rmtree, _own, ignore_errors=True)
os.environ.update(XDG_CACHE_HOME=f"{_own}/cache", KERAS_HOME=f"{_own}/keras")
