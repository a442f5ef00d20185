"""Which results can be compared, and which are refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.comparison.comparable import Named, check_comparable, read_all
from benchmarks.results.results import GoldenCheck
from edge_runtime.common.json_codec import to_json
from edge_runtime.errors import InputError
from tests.benchmarks.samples import MACHINE, bench_result, model_result

FIRST = Named("first", bench_result())


def _second(**changes: Any) -> Named:
    return Named("second", bench_result(**changes))


def test_results_of_two_boards_are_comparable() -> None:
    """Nothing else differs, so no difference is returned."""
    other = _second(machine=replace(MACHINE, board="Pi 5", cpu="Cortex-A76"))
    assert check_comparable([FIRST, other]) == []


def test_a_stated_accuracy_is_told_from_a_measured_one() -> None:
    """They are comparable, of the same images; another photo is a difference too."""
    stated = model_result(accuracy_stated=True, golden=GoldenCheck(16, 16, passed=True))
    assert check_comparable([FIRST, Named("second", bench_result(stated, photo_sha256="12345678" * 8))]) == [
        "accuracies: of test images in first, stated by manifests, of test images in second",
        "photo: none in first, 12345678 in second",
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"data_sha256": "ef" * 32}, "accuracies are of different images"),
        ({"split": "validation"}, r"accuracies are of different images \(test cdcd.*; validation cdcd"),
        ({"threads": 4}, r"numbers of threads differ \(1; 4\)"),
        ({"reference": model_result(name="reference", sha256="00" * 32)}, "reference models differ"),
        (
            {"machine": replace(MACHINE, cpu="Cortex-A76")},
            r"two machines have the same name \(Cortex-A72 aarch64 4 cores; Cortex-A76",
        ),
    ],
)
def test_what_would_mislead_is_refused(changes: dict[str, Any], problem: str) -> None:
    """Exit code 4; both files and both values are named."""
    with pytest.raises(InputError, match=f"^first and second cannot be compared: {problem}") as caught:
        check_comparable([FIRST, _second(**changes)])
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("one_machine", [False, True])
def test_other_instruction_sets_are_another_machine(one_machine: bool) -> None:
    """A virtual machine may hide instruction sets of a processor."""
    wide, narrow = (Named(name, bench_result(machine=replace(MACHINE, simd=(name,)))) for name in ("avx512f", "avx2"))
    with pytest.raises(InputError, match=r"machine.*4 cores avx512f; .*4 cores avx2\)"):
        check_comparable([wide, narrow], one_machine=one_machine)
    with pytest.raises(InputError, match="avx512f and avx2 cannot be compared"):
        check_comparable([_second(machine=replace(MACHINE, simd=())), wide, narrow], one_machine=one_machine)


@pytest.mark.parametrize("one_machine", [False, True])
def test_unknown_instruction_sets_are_a_note(one_machine: bool) -> None:
    """They neither prove another machine nor the same one."""
    silent = _second(machine=replace(MACHINE, simd=()))
    note = "instruction sets of the processor: unknown in second, so it may be another machine"
    assert check_comparable([FIRST, silent], one_machine=one_machine) == [note]
    assert check_comparable([silent, FIRST], one_machine=one_machine) == [note]
    assert check_comparable([silent]) == []


@pytest.mark.parametrize("one_machine", [False, True])
def test_an_unknown_processor_is_a_note(one_machine: bool) -> None:
    """Older results of a Rock 5 and of an Orange Pi both say aarch64: they may be of two machines, or of one."""
    rock, orange = (Named(name, bench_result(machine=replace(MACHINE, cpu="aarch64"))) for name in ("rock", "orange"))
    assert check_comparable([rock, orange], one_machine=one_machine) == [
        "processor: unknown in rock, orange, so it may be another machine"
    ]
    assert check_comparable([FIRST, rock], one_machine=one_machine) == ["processor: unknown in rock, so it may be another machine"]
    with pytest.raises(InputError, match="machine"):
        check_comparable([rock, _second(machine=replace(MACHINE, cores=8))], one_machine=one_machine)


def test_committed_results_of_one_machine_are_compared() -> None:
    """The older of them has no instruction sets."""
    data = Path(__file__).with_name("data")
    named = read_all([data / "models-x86_64-avx512.json", data / "limits-x86_64-avx512.json"])
    assert any("instruction sets" in text for text in check_comparable(named, one_machine=True))


def test_results_without_accuracies_are_comparable() -> None:
    """The difference is returned; results with accuracies are still checked against each other."""
    timed = Named("timed", bench_result(model_result(accuracy=None), split="", data_sha256=""))
    note = "accuracies: of test images in first, none in timed"
    assert check_comparable([FIRST, timed], one_machine=True) == check_comparable([FIRST, timed, FIRST]) == [note]
    assert check_comparable([timed, timed]) == []
    with pytest.raises(InputError, match="accuracies are of different images"):
        check_comparable([timed, FIRST, _second(split="validation")])


def test_one_machine_is_one_machine() -> None:
    """For regressions, another board is refused, whatever its name."""
    other = _second(machine=replace(MACHINE, board="Pi 5", cpu="Cortex-A76"))
    with pytest.raises(InputError, match="machines differ"):
        check_comparable([FIRST, other], one_machine=True)


def test_what_else_differs_is_reported() -> None:
    """Releases, versions, processors, samples: differences may be what is to be compared."""
    machine = replace(MACHINE, runtime="ai-edge-litert 2.4.0", python="3.12.1", numpy="2.2.0")
    other = _second(machine=machine, edge_digits="0.2.0", pinned=(1, 2), samples=2_000)
    assert check_comparable([FIRST, other]) == [
        "edge-digits: 0.1.0 in first, 0.2.0 in second",
        "runtime: ai-edge-litert 2.3.0 in first, ai-edge-litert 2.4.0 in second",
        "Python: 3.11.2 in first, 3.12.1 in second",
        "numpy: 2.1.0 in first, 2.2.0 in second",
        "processors: all in first, 1 2 in second",
        "samples: 1,000 in first, 2,000 in second",
    ]


def test_the_same_file_twice_is_refused(tmp_path: Path) -> None:
    """It would agree with itself."""
    path = tmp_path / "a.json"
    path.write_text(to_json(bench_result()))
    assert [named.name for named in read_all([path])] == ["a"]
    with pytest.raises(InputError, match="given twice"):
        read_all([path, path])


def test_files_of_one_name_go_by_their_folders(tmp_path: Path) -> None:
    """As much of the path as tells them apart, for all alike."""
    paths = [tmp_path / name for name in ("a/results.json", "b/results.json", "b/c.json")]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        path.write_text(to_json(bench_result(model_result([1_000 + number] * 50))))
    assert [named.name for named in read_all(paths)] == ["a/results", "b/results", "b/c"]
    assert [named.name for named in read_all(paths[1:])] == ["results", "c"]


def test_a_copy_is_no_second_run(tmp_path: Path) -> None:
    """Under another path and board name, too: no other run measures the same nanoseconds."""
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, board in zip(paths, ("Pi 4", "Pi 5"), strict=True):
        path.write_text(to_json(bench_result(machine=replace(MACHINE, board=board))))
    with pytest.raises(InputError, match=rf"^{paths[0]} and {paths[1]} are the same run"):
        read_all(paths)
