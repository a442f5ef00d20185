"""Results files: they come back as they were written, and every bad one is an input error that names the file and the cause."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.results.results import BenchResult, read_results
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.errors import InputError
from tests.benchmarks.samples import MACHINE, bench_result, model_result

TIMES = st.lists(st.integers(1, 2**62), min_size=1, max_size=20).map(tuple)
TEXT = to_json(bench_result(model_result(), model_result(name="plain", accuracy=None)))


@given(st.text().filter(str.isprintable), TIMES, st.floats(0, 100), st.none() | st.just(Accuracy(1, 2, (9.5, 90.5))))
def test_results_come_back_as_they_were_written(name: str, steady: tuple[int, ...], busy: float, accuracy: Accuracy | None) -> None:
    """Any name, any nanoseconds to the last digit, any load."""
    model = model_result(name=name, steady_ns=steady, accuracy=accuracy)
    result = bench_result(model, machine=replace(MACHINE, busy_percent=busy))
    assert from_json(BenchResult, to_json(result)) == result


def test_results_are_read_from_their_file(tmp_path: Path) -> None:
    """The same record, and the same text when it is written again."""
    path = tmp_path / "board.json"
    path.write_text(TEXT)
    assert to_json(read_results(path)) == TEXT


def _changed(**changes: Any) -> str:
    return json.dumps({**json.loads(TEXT), **changes})


def _changed_model(**changes: Any) -> str:
    content = json.loads(TEXT)
    content["models"][0].update(changes)
    return json.dumps(content)


def _turn(**changes: Any) -> dict[str, Any]:
    return {**json.loads(TEXT)["models"][0]["turns"][0], **changes}


def _changed_turn(**changes: Any) -> str:
    return _changed_model(turns=[_turn(**changes)])


def _changed_cold(**changes: Any) -> str:
    return _changed_model(cold=[{**json.loads(TEXT)["models"][0]["cold"][0], **changes}])


def _changed_condition(**changes: Any) -> str:
    return _changed(conditions=[{**json.loads(TEXT)["conditions"][0], **changes}])


def _layer(*processes: int) -> dict[str, Any]:
    found = [_turn(process=process) for process in processes]
    return {"operator": "CONV_2D", "output": [1, 10], "multiply_adds": 5, "turns": found}


def _loadgen(line: str) -> dict[str, Any]:
    runs = [{"model": "cnn", "process": 0, "scenario": "Offline", "summary": [line], "accuracy": None}]
    return {"release": "6", "empty_ns": [900.0], "runs": runs}


def _without(name: str) -> str:
    return json.dumps({key: value for key, value in json.loads(TEXT).items() if key != name})


BAD = {
    "older version": (_changed(schema_version=1), "has schema version 1, this program reads 2"),
    "other version with other fields": (_changed(schema_version=3, boards=[]), "has schema version 3, this program reads 2"),
    "version as text": (_changed(schema_version="2"), "field 'schema_version' is \"2\", expected a whole number"),
    "version as truth": (_changed(schema_version=True), "field 'schema_version' is true, expected a whole number"),
    "no version": (_without("schema_version"), "field 'schema_version' is null, expected a whole number"),
    "missing field": (_without("machine"), "missing field 'machine'"),
    "unknown field": (_changed(speed=1), "unknown field 'speed'"),
    "text for a number": (_changed(threads="one"), "field 'threads' is \"one\", expected a whole number"),
    "fraction of a nanosecond": (
        _changed_turn(samples_ns=[1, 2.5]),
        "field 'models[0].turns[0].samples_ns[1]' is 2.5, expected a whole number",
    ),
    "number for a list": (_changed(models=7), "field 'models' is 7, expected a list"),
    "no model": (_changed(models=[]), "has no model"),
    "no times": (_changed_turn(samples_ns=[]), "field 'models[0].turns[0]' is impossible: times are missing, below 0"),
    "time of zero": (_changed_turn(samples_ns=[5, 0]), "has times of 0 among those of its median"),
    "time of zero of single calls": (
        _changed_model(turns=[_turn(samples_ns=[5, 0]), _turn(group=9)]),
        "times of 0, with a clock that is finer than 1 us",
    ),
    "times of zero with a coarse clock": (
        json.dumps({**json.loads(_changed_turn(samples_ns=[0, 0])), "clock_step_ns": [1_000]}),
        "has times of 0 among those of its median",
    ),
    "time below zero": (_changed_turn(samples_ns=[5, -1]), "times are missing, below 0"),
    "time of 400 digits": (_changed_turn(samples_ns=[10**400]), "longer than a century"),
    "bytes of 400 digits": (_changed_model(file_bytes=10**400), "file_bytes is a number of 401 digits, expected 0 or more"),
    "group without end": (_changed_turn(group=1_000_001), "group is 1000001, expected 1 to 1000000"),
    "more payload than file": (_changed_model(payload_bytes=49_450), "payload_bytes is 49450, more than the 49449 of its file"),
    "negative clock": (_changed_condition(megahertz=-1.0), "megahertz is -1.0, expected 0 or more"),
    "no conditions": (_changed(conditions=[]), "conditions are missing"),
    "no cores": (_changed(machine={**json.loads(TEXT)["machine"], "cores": 0}), "field 'machine' is impossible: cores is 0"),
    "less than no memory": (_changed(machine={**json.loads(TEXT)["machine"], "memory_bytes": -1}), "memory_bytes is -1"),
    "a layer of one process": (
        _changed_model(layers=[_layer(0), _layer(0)]),
        "layers that were not all timed in the same two or more processes",
    ),
    "layers of other processes": (
        _changed_model(layers=[_layer(0, 1), _layer(0, 2)]),
        "layers that were not all timed in the same two or more processes",
    ),
    "a figure of LoadGen that is a release": (
        _changed(loadgen=_loadgen("50.00 percentile latency (ns) : 1.2.3")),
        "field 'loadgen.runs[0]' is impossible: '50.00 percentile latency (ns) : 1.2.3' is no valid figure of LoadGen",
    ),
    "a figure of LoadGen of 400 digits": (
        _changed(loadgen=_loadgen(f"Samples per second: {10**400}")),
        "no valid figure of LoadGen",
    ),
    "no turns": (_changed_model(turns=[]), "cnn-int8.tflite has no times of single calls with one image"),
    "groups alone": (_changed_model(turns=[_turn(group=4)]), "cnn-int8.tflite has no times of single calls with one image"),
    "batches among single images": (_changed_model(turns=[_turn(), _turn(batch=8)]), "or has times of larger batches among them"),
    "group of none": (_changed_turn(group=0), "group is 0, expected 1 to 1000000"),
    "interrupted less than never": (_changed_turn(preempted=-1), "preempted is -1, expected 0 or more"),
    "negative cold start": (_changed_cold(load_ns=-1), "field 'models[0].cold[0]' is impossible: load_ns is -1"),
    "negative size": (_changed_model(file_bytes=-5), "file_bytes is -5"),
    "sweep without turns": (
        _changed_model(sweeps=[{"threads": 2, "batch": 1, "turns": []}]),
        "no turns, or turns of another batch",
    ),
    "the same model twice": (
        _changed(models=json.loads(TEXT)["models"][:1] * 2),
        "has cnn int8 twice",
    ),
    "other processes than the reference's": (_changed_model(turns=[_turn(process=7)]), "not timed in the same processes"),
    "a clock that stands": (_changed(clock_step_ns=[0]), "clock_step_ns[0] is 0, expected 1 to 1000000000"),
    "a reading of a minute": (_changed(clock_cost_ns=[6 * 10**10]), "clock_cost_ns[0] is 60000000000, expected 0 to 1000000000"),
    "busier than can be": (_changed_condition(busy_percent=170.0), "busy_percent is 170.0, expected 0 to 100"),
    "stated without golden images": (
        _changed_model(accuracy_stated=True),
        "an accuracy of its manifest that no golden images confirm",
    ),
    "stated though refuted": (
        _changed_model(accuracy_stated=True, golden={"equal": 16, "images": 16, "passed": False}),
        "an accuracy of its manifest that no golden images confirm",
    ),
    "golden images that passed and differ": (
        _changed_model(golden={"equal": 15, "images": 16, "passed": True}),
        "golden images passed, but 1 of 16 labels differ",
    ),
    "more golden images than there are": (_changed_model(golden={"equal": 17, "images": 16, "passed": False}), "equal is 17"),
    "photos in groups": (_changed_model(photo=[_turn(group=4)]), "times of photos in batches or groups"),
    "more right than asked": (
        _changed_model(accuracy={"correct": 3, "total": 2, "interval": [0.0, 1.0]}),
        "field 'models[0].accuracy' is impossible: 3 of 2",
    ),
    "of no images": (
        _changed_model(accuracy={"correct": 0, "total": 0, "interval": [0.0, 1.0]}),
        "field 'models[0].accuracy' is impossible: 0 of 0",
    ),
    "half an interval": (
        _changed_model(accuracy={"correct": 1, "total": 2, "interval": [0.5]}),
        "field 'models[0].accuracy.interval' has 1 entries, expected 2",
    ),
    "not a number": (TEXT.replace("3.0", "NaN", 1), "is not valid JSON (NaN is not a JSON number)"),
    "a list": ("[]", "expected an object"),
    "no JSON": ("hello", "is not valid JSON"),
    "nothing": ("", "is not valid JSON"),
    "deep": ("[" * 100_000, "is not valid JSON"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_results_file_is_an_input_error(tmp_path: Path, case: str) -> None:
    """Exit code 4; the message begins with the file and names the field or the cause."""
    content, message = BAD[case]
    path = tmp_path / "board.json"
    path.write_text(content)
    with pytest.raises(InputError, match=f"^{path}: .*{re.escape(message)}") as caught:
        read_results(path)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_a_truncated_results_file_is_an_input_error(tmp_path: Path, share: float) -> None:
    """Wherever it was cut off."""
    path = tmp_path / "board.json"
    path.write_text(TEXT[: int(share * len(TEXT))])
    with pytest.raises(InputError, match="is not valid JSON"):
        read_results(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_results_file_that_is_not_there_or_no_text_is_an_input_error(tmp_path: Path, content: bytes | None) -> None:
    """With the cause."""
    path = tmp_path / "board.json"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path}: cannot be read"):
        read_results(path)
