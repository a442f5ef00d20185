"""A backend whose calls take a known time: another backend classifies, then time passes. Imported by worker processes.

options["planted"] is the module of the other backend, options["costs"] the nanoseconds per image by the name of the model's file.
"""

import importlib
import time
from pathlib import Path
from typing import Any

from benchmarks.backends import LoadedModel, ours, prefix

DISTRIBUTIONS = ()


def _let_pass(nanoseconds: int) -> None:
    clock = time.perf_counter_ns
    if hasattr(clock, "advance"):
        clock.advance(nanoseconds)
    else:
        time.sleep(nanoseconds / 1e9)


def _taking_time(load: Any) -> Any:
    """A `load` function whose models take the known time."""

    def taking_time(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
        loaded, cost = load(model, threads, options), options["costs"][Path(model).name]

        def one(image: Any) -> object:
            answer = loaded.one(image)
            _let_pass(cost)
            return answer

        def many(images: Any) -> Any:
            answers = loaded.many(images)
            _let_pass(cost * len(images))
            return answers

        return loaded._replace(one=one, many=many)

    return taking_time


for _module in (ours, prefix):  # where other backends call them too
    _module.load = _taking_time(_module.load)


def prepare(options: dict[str, Any]) -> None:
    """Prepare the other backend."""
    importlib.import_module(options["planted"]).prepare(options)


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """The model of the other backend, slowed."""
    loaded: LoadedModel = importlib.import_module(options["planted"]).load(model, threads, options)
    return loaded
