"""The model repository: loads and verifies models, and replaces those whose file has changed."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from edge_runtime.common.pixels import Batch
from edge_runtime.device.tuning_folder import saved_tuning
from edge_runtime.device.verification import verify
from edge_runtime.errors import BadArgument, DigitsError, MissingPackage, ModelFileError, VerificationFailed
from edge_runtime.inference.classifier import BATCH, Classifications, Classifier
from edge_runtime.inference.interpreter import find_backend, one_line
from edge_runtime.inference.out_of_distribution import OutOfDistribution
from edge_runtime.model.manifest import Manifest
from edge_runtime.model.model_file import Golden, ModelFile, find_model, read_model_file
from edge_runtime.serving.http.errors import ModelUnavailable, NotFound
from edge_runtime.serving.http.log import JsonLog
from edge_runtime.serving.models.pool import InterpreterPool, WorkerThreads

Signature = tuple[int, int, int]
"""A file's modification time in nanoseconds, size and inode."""

NOT_REPRODUCED = "its golden outputs are not reproduced"
NOT_LOADED = "its file could not be loaded; see the server's log"
_REFUSALS = (DigitsError, RuntimeError, ValueError, MemoryError)


@dataclass
class ServedModel:
    """A loaded model. `healthy`: whether it reproduced its golden outputs at the last check."""

    name: str
    path: Path
    signature: Signature
    pool: InterpreterPool
    golden: Golden = field(repr=False)
    observe: Callable[[float], None]
    healthy: bool = True
    loaded_at: float = field(default_factory=time.time)

    @property
    def model(self) -> ModelFile:
        """The checked model file."""
        return self.pool.model

    @cached_property
    def out_of_distribution(self) -> OutOfDistribution | None:
        """The out-of-distribution detector, for shipped models; else None."""
        return OutOfDistribution.of(self.model)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model file."""
        assert self.model.manifest is not None  # loading refuses others
        return self.model.manifest

    async def classify(self, images: Batch) -> tuple[Classifications, int]:
        """Classify uint8 [N, 28, 28]; also return the nanoseconds of the inference.

        Raises:
            ModelUnavailable: the model failed its last check.
        """
        self.require_health()
        found, nanoseconds = await self.pool.classify(images)
        self.observe(nanoseconds / 1e9)
        return found, nanoseconds

    def require_health(self) -> None:
        """Check the result of the last check.

        Raises:
            ModelUnavailable: the model failed it.
        """
        if not self.healthy:
            raise ModelUnavailable(f"model '{self.name}' is not ready: {NOT_REPRODUCED}")

    async def check(self) -> bool:
        """Classify the golden images with each interpreter, and set `healthy`."""
        try:
            answers = await self.pool.classify_everywhere(self.golden.images)
            self.healthy = all(_agrees(found, self.golden, self.manifest.tolerance.amount) for found in answers)
        except (DigitsError, RuntimeError, ValueError, MemoryError):
            self.healthy = False
        return self.healthy


@dataclass(frozen=True)
class _Refusal:
    """Why a file was not loaded, and its signature, so that it is tried again once it changes."""

    signature: Signature | None
    reason: str


class ModelRepository:
    """All models by name, the default one first. One whose file could not be loaded at the start is listed and unavailable.

    Attributes:
        reloads: counts of changed files that were "loaded" or "refused", by model and result.
        stopping: set when the server stops, so that it is not ready any more.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        workers: WorkerThreads,
        log: JsonLog,
        threads: int | None = None,
        backend: str | None = None,
        observer: Callable[[str], Callable[[float], None]] = lambda _: lambda _: None,
    ) -> None:
        """Load and verify all models. Those that fail are unavailable until their files change, as long as one can be served.

        Args:
            paths: model files or names of shipped models, by the name to serve them under.
            workers: threads for long work.
            log: for reloads and health.
            threads: threads of each interpreter; None for those that `digits tune` found for a model here, else 1.
            backend: as for `Classifier.load`.
            observer: returns, for a model's name, a function to call with the seconds of each inference.

        Raises:
            ModelFileError, VerificationFailed: no model can be served; of the first one.
            BadArgument, MissingPackage: there is no such interpreter.
        """
        self._workers = workers
        self._log = log
        self._threads = threads
        self._backend = backend
        self._observer = observer
        self._refused: dict[str, _Refusal] = {}
        self.reloads: Counter[tuple[str, str]] = Counter()
        self.stopping = False
        self._refreshing = asyncio.Lock()
        self._paths = {name: find_model(path) for name, path in paths.items()}
        self._by_name = self._load_all()

    def __iter__(self) -> Iterator[ServedModel]:
        """The models that are loaded."""
        return (served for served in self._by_name.values() if served)

    def states(self) -> dict[str, str]:
        """Of all models, why they are unavailable; empty if they are not."""
        return {
            name: NOT_LOADED if served is None else "" if served.healthy else NOT_REPRODUCED
            for name, served in self._by_name.items()
        }

    def refusals(self) -> dict[str, str]:
        """Of the models that could not be loaded, why, for whoever runs the server."""
        return {name: self._refused[name].reason for name, served in self._by_name.items() if served is None}

    @property
    def default(self) -> ServedModel:
        """The model for requests that name none."""
        return self.get({})

    @property
    def ready(self) -> bool:
        """Whether all models are loaded and passed their last check, and the server is not stopping."""
        return not self.stopping and not any(self.states().values())

    @property
    def alive(self) -> bool:
        """Whether a model passed its last check: a restart would take it away from its clients."""
        return not self.stopping and any(served.healthy for served in self)

    def name_of(self, parameters: Mapping[str, str]) -> str:
        """The model that path or query parameters name: `model`, and `version`, which is always 1. Without a name, the first.

        Raises:
            NotFound: there is no such model or version.
        """
        name = parameters.get("model") or next(iter(self._by_name))
        if name not in self._by_name:
            raise NotFound(f"Request for unknown model: '{name[:64]}' is not found; the models are {', '.join(self._by_name)}")
        if parameters.get("version", "1") != "1":
            raise NotFound(
                f"Request for unknown model: '{name}' version {parameters['version'][:20]} is not found; the only version is 1"
            )
        return name

    def get(self, parameters: Mapping[str, str]) -> ServedModel:
        """The model that parameters name, as for `name_of`.

        Raises:
            NotFound: there is no such model or version.
            ModelUnavailable: its file could not be loaded.
        """
        name = self.name_of(parameters)
        served = self._by_name[name]
        if served is None:
            raise ModelUnavailable(f"model '{name}' is not available: {NOT_LOADED}")
        return served

    async def refresh(self) -> None:
        """Reload models whose files have changed. A file that fails verification is refused, and the old model stays."""
        async with self._refreshing:
            for name, path in self._paths.items():
                served, refused = self._by_name[name], self._refused.get(name)
                signature = await self._workers.run(_signature_of, path)
                seen = {found.signature for found in (served, refused) if found}
                if signature not in seen:
                    await self._replace(name, signature)

    async def check(self) -> None:
        """Check all models, and log changes of `healthy`."""
        for served in list(self):
            before = served.healthy
            if await served.check() != before:
                self._log.event("health", model=served.name, healthy=served.healthy)

    def _load_all(self) -> dict[str, ServedModel | None]:
        """All models by name; None for one that is refused."""
        found: dict[str, ServedModel | None] = {}
        errors: list[Exception] = []
        for name, path in self._paths.items():
            signature = _signature_of(path)
            try:
                found[name] = self._load_verified(name, path)
            except (BadArgument, MissingPackage):  # of no model: of all
                raise
            except _REFUSALS as error:
                found[name] = None
                errors.append(error)
                self._refused[name] = _Refusal(signature, one_line(error))
        if errors and len(errors) == len(found):
            raise errors[0]
        return found

    async def _replace(self, name: str, signature: Signature | None) -> None:
        try:
            fresh = await self._workers.run(self._load_verified, name, self._paths[name])
        except _REFUSALS as error:
            self._refused[name] = _Refusal(signature, one_line(error))
            self._record_reload(name, "refused", reason=one_line(error))
        else:
            self._by_name[name] = fresh
            self._refused.pop(name, None)
            self._record_reload(name, "loaded", sha256=fresh.manifest.flatbuffer.sha256)

    def _load_verified(self, name: str, path: Path) -> ServedModel:
        signature = _signature_of(path)
        model = read_model_file(path)
        if signature is None:
            raise ModelFileError(f"{path}: the file has been removed")
        golden = model.golden()
        tuned = saved_tuning(model, find_backend(self._backend))
        single, many, batch = (tuned.threads, tuned.batch_threads, tuned.batch) if tuned else (1, 1, BATCH)

        def load(model: ModelFile, threads: int = self._threads or many) -> Classifier:
            return Classifier(model, threads, self._backend, batch=batch)

        first = load(model, self._threads or single)
        receipt = verify(first)
        if not receipt.passed:
            difference = "by NaN" if receipt.largest_difference is None else f"by up to {receipt.largest_difference:g}"
            raise VerificationFailed(
                f"{path}: not served, since its golden outputs are not reproduced on {receipt.runtime}: "
                f"{receipt.labels_equal} of {receipt.images} labels equal, outputs differ {difference} {receipt.tolerance.unit}"
            )
        return ServedModel(name, path, signature, InterpreterPool(first, self._workers, load), golden, self._observer(name))

    def _record_reload(self, name: str, result: str, **fields: str) -> None:
        self.reloads[name, result] += 1
        self._log.event("reload", model=name, result=result, **fields)


def _signature_of(path: Path) -> Signature | None:
    """The signature of a file; None if it cannot be read."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _agrees(found: Classifications, golden: Golden, tolerance: float) -> bool:
    """Whether all labels equal the recorded ones and every output is within the manifest's tolerance; NaN is not."""
    expected = golden.outputs.astype(np.float64)
    difference = float(np.abs(found.outputs - expected).max())
    return difference <= tolerance and bool((found.indices == expected.argmax(axis=1)).all())
