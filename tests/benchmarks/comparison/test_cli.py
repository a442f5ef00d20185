"""`digits report` and `digits choose`, on committed results and invented ones."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.comparison import plots
from benchmarks.results.results import BenchResult, GoldenCheck, read_results
from edge_runtime.common.json_codec import to_json
from tests.benchmarks.samples import MACHINE, QUIET, bench_result, many_processes
from tests.commands import digits, one_line
from tests.conftest import ROOT

REFERENCE = ROOT / "benchmarks" / "reference"
DATA = Path(__file__).with_name("data")  # results of two machines, of files that shipped once
AVX512 = DATA / "models-x86_64-avx512.json"


def _write(path: Path, result: BenchResult) -> Path:
    path.write_text(to_json(result))
    return path


def _run(folder: Path, name: str, *medians: int, **changes: object) -> Path:
    model = many_processes(medians, name="m")
    return _write(
        folder / f"{name}.json",
        bench_result(model, reference=many_processes([1_000_000] * len(medians), sha256="00" * 32), **changes),
    )


def test_a_report_is_one_page_that_points_nowhere(tmp_path: Path) -> None:
    """Tables that sort, pictures inside, the warnings of both files."""
    out = tmp_path / "page.html"
    answer = digits("report", AVX512, DATA / "models-x86_64.json", "--out", out)
    following = f"digits choose {AVX512} {DATA / 'models-x86_64.json'} --board x86_64-avx512"
    assert (answer.code, answer.out) == (0, f"written: {out}\nnext:    {following}\n")
    page = out.read_text()
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "http" not in re.sub(r"data:image/png;base64,[\w+/=]+", "", page)
    assert page.count("<img") == 2 * 2 + 2 + 2 + 1  # two plots, tails and processes of each, cold starts of one
    assert "models-x86_64: the run had a single process" in page
    verdict = re.search(r'<p class="verdict">(.*)</p>', page)
    assert verdict
    assert re.fullmatch(
        r"x86_64-avx512: take small int8, the fastest of 4 that are equally accurate: 99.62 % right, .* us an image, .* bytes; .*\.",
        verdict[1],
    )
    assert page.index("<img") < page.index("<table") < page.index("<details")
    assert '<button type="button">p50</button>' in page


def test_a_report_says_where_accuracies_are_from(tmp_path: Path) -> None:
    """Stated ones have a note, on the page and in Markdown; measured ones have none."""
    golden = GoldenCheck(16, 16, passed=True)
    pages = []
    for stated in (True, False):
        model = many_processes([1_000, 1_001], accuracy_stated=stated, golden=golden)
        results = _write(tmp_path / f"{stated}.json", bench_result(model))
        assert digits("report", results, "--out", tmp_path / f"{stated}.html").code == 0
        note = "note: accuracies are those of the manifests, proven at conversion"
        assert (f"- {note}" in digits("report", results, "--markdown").out) == stated
        pages.append((tmp_path / f"{stated}.html").read_text())
    assert "<p>True: Pi 4: Cortex-A72, 4 cores" in pages[0]
    assert [" Note: accuracies are those of the manifests" in page for page in pages] == [True, False]


def test_a_report_is_not_overwritten_unasked(tmp_path: Path) -> None:
    """Only by --force."""
    out = tmp_path / "page.html"
    out.write_text("mine")
    assert "exists already" in one_line(digits("report", AVX512, "--out", out), 1)
    assert digits("report", AVX512, "--out", out, "--force").code == 0


def test_a_report_never_replaces_its_results(tmp_path: Path) -> None:
    """Not by --force either, and not under another name of the same file."""
    results = _run(tmp_path, "results", 1_000, 1_001)
    content, link = results.read_bytes(), tmp_path / "link.json"
    link.hardlink_to(results)
    for out in (results, tmp_path / "x" / ".." / "results.json", link):
        message = one_line(digits("report", results, "--out", out, "--force"), 2)
        assert message == f"digits: --out {out} is one of the results files; give the page another name\n"
    assert results.read_bytes() == content


def test_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    """A copy under another path is no second run."""
    old = _run(tmp_path, "old", 1_000, 1_001, 1_002)
    copy = tmp_path / "copy.json"
    copy.write_bytes(old.read_bytes())
    assert "are the same run" in one_line(digits("report", "--diff", old, copy), 4)


def test_markdown_is_printed(tmp_path: Path) -> None:
    """A table, its machine, command and warnings, and what could not be measured; nothing is written."""
    answer = digits("report", AVX512, "--markdown")
    lines = answer.out.splitlines()
    assert answer.code == 0
    assert lines[0].startswith("| model | recipe | file |")
    assert lines[-1].startswith("x86_64-avx512: ")
    assert lines[-1].endswith(". Command: `python -m tools.measure_models`.")
    doubtful = _run(tmp_path, "doubtful", 1_000_000, 1_000_001, absent=("OpenVINO: openvino is not installed",))
    lines = digits("report", doubtful, "--markdown").out.splitlines()
    assert lines[-2:] == [
        "- note: m int8: 200 samples are too few for a p99, which needs 1,000",
        "- not measured: OpenVINO: openvino is not installed",
    ]
    assert sorted(tmp_path.iterdir()) == [doubtful]


def test_disturbed_processes_are_marked(tmp_path: Path) -> None:
    """In the table of what the machine did, and by a cross in the plot of the processes."""
    quiet = _run(tmp_path, "quiet", 1_000_000, 1_010_000, 1_020_000)
    busy = replace(QUIET, when="process 2", busy_percent=50.0)
    pages = []
    for number, conditions in enumerate([(QUIET, replace(busy, busy_percent=1.0)), (QUIET, busy)]):
        results = _run(tmp_path, "run", 1_000_000, 1_010_000, 1_020_000, conditions=conditions)
        assert digits("report", results, "--out", tmp_path / f"{number}.html").code == 0
        pages.append(re.sub(' data-name="[^"]*"', "", (tmp_path / f"{number}.html").read_text()))
    assert quiet.exists()
    assert "<td>process 2</td><td>0.5</td>" in pages[0]
    assert "<td>process 2</td><td>disturbed</td><td>0.5</td><td>50.0 %</td><td>0.0 %</td><td>1,500.0 MHz</td>" in pages[1]
    assert plots.processes(read_results(results)) != plots.processes(read_results(quiet))


def test_too_few_samples_for_any_figure_make_a_page(tmp_path: Path) -> None:
    """Without columns of figures that no model has; no plot fails."""
    few = bench_result(many_processes([1_000, 1_001]), reference=many_processes([1_000, 1_001]))
    few = replace(
        few, models=(replace(few.models[0], turns=tuple(replace(turn, samples_ns=(9,)) for turn in few.models[0].turns)),)
    )
    assert digits("report", _write(tmp_path / "few.json", few), "--out", tmp_path / "few.html").code == 0
    page = (tmp_path / "few.html").read_text()
    assert (">p50<" in page, ">p99<" in page) == (True, False)


def test_a_name_from_a_results_file_stays_text(tmp_path: Path) -> None:
    """A page is made of what others wrote."""
    evil = many_processes([1_000] * 3, name="<script>alert(1)</script>")
    out = tmp_path / "page.html"
    assert digits("report", _write(tmp_path / "evil.json", bench_result(evil)), "--out", out).code == 0
    assert "<script>alert" not in out.read_text()


def test_a_regression_exits_3(tmp_path: Path) -> None:
    """The table says which model, the error by how much."""
    old, new = _run(tmp_path, "old", 1_000_000, 1_001_000, 999_000), _run(tmp_path, "new", 1_080_000, 1_081_000, 1_079_000)
    answer = digits("report", "--diff", old, new)
    assert answer.code == 3
    assert "SLOWER" in answer.out
    assert answer.err == "digits: m int8 takes 8.0 % longer\n"
    assert "1,000.0 us  1,080.0 us  1.080" in answer.out
    assert answer.out.splitlines()[-2:] == [
        "verdict: 1 of 1 model became slower: m int8 (8.0 % more time)",
        f"next:    digits report {old} {new}",
    ]
    faster = digits("report", "--diff", new, old)
    assert faster.code == 0
    assert "verdict: none of 1 model became slower; 1 became faster: m int8 (7.4 % less time)\n" in faster.out
    again = digits("report", "--diff", old, _run(tmp_path, "same", 1_000_500, 1_001_000, 999_500))
    assert (again.code, again.err) == (0, "")
    assert "verdict: none of 1 model became slower\n" in again.out


def test_a_report_without_accuracies_has_a_next_command_too(tmp_path: Path) -> None:
    """There is nothing to choose by, but a later run can be compared with it."""
    model = many_processes([1_000_000, 1_000_001], accuracy=None)
    results = _write(tmp_path / "timed.json", bench_result(model, split="", data_sha256=""))
    lines = digits("report", results, "--out", tmp_path / "page.html").out.splitlines()
    assert lines[-1] == f"next:    digits report --diff {results} NEW.json"


def test_another_machine_is_no_regression(tmp_path: Path) -> None:
    """Exit code 4 says what differs."""
    old = _run(tmp_path, "old", 1_000, 1_001, 1_002)
    new = _run(tmp_path, "new", 1_003, 1_001, 1_002, machine=replace(MACHINE, cores=8))
    message = one_line(digits("report", "--diff", old, new), 4)
    assert message == (
        "digits: old and new cannot be compared: machines differ (Cortex-A72 aarch64 4 cores; Cortex-A72 aarch64 8 cores)\n"
    )


@pytest.mark.parametrize("words", [("--diff",), ("--diff", "--markdown")])
def test_a_diff_takes_two_files(words: tuple[str, ...]) -> None:
    """Wrong usage."""
    assert "--diff takes two results files" in one_line(digits("report", AVX512, *words), 2)


@pytest.mark.parametrize(
    ("limits", "pick", "runner_up", "command"),
    [
        (
            ("--max-latency-us", 150, "--min-accuracy", 99, "--max-bytes", 65_536),
            "pick: small int8: 99.51 % accuracy, ",
            "runner-up: nano fp32: 99.43 % accuracy, ",
            "verify small-int8",
        ),
        (("--max-latency-us", 150, "--max-bytes", 30_000), "pick: nano int8: 99.42 % accuracy, ", "", "verify nano-int8"),
    ],
)
def test_choosing_says_why(limits: tuple[object, ...], pick: str, runner_up: str, command: str) -> None:
    """All models, what each limit excludes, the pick, what comes next, and how it is checked; a shipped file need not be made."""
    answer = digits("choose", REFERENCE / "models-x86_64-zen4.json", *limits)
    lines = answer.out.splitlines()
    assert answer.code == 0
    assert lines[0].split() == ["model", "p50", "accuracy", "file", "Pareto", "front", "excluded", "by"]
    assert any(re.fullmatch(r"at most 150 us: excludes \d of 10 \(base .*\)", line) for line in lines)
    assert any(line.startswith(pick) for line in lines)
    assert [line.startswith(runner_up) for line in lines if line.startswith("runner-up")] == ([True] if runner_up else [])
    assert lines[-1] == f"next:    digits {command}"
    assert "make it" not in answer.out


def test_choosing_names_the_command_that_made_the_pick(tmp_path: Path) -> None:
    """As the manifest records it; results that do not know it have no such line."""
    command = "digits convert model.keras --recipe int8 --max-drop 0.5 --fold-columns 2"
    for made_by, lines in ((command, [f"made by: {command}"]), ("", [])):
        model = many_processes([1_000_000, 1_000_001], made_by=made_by)
        out = digits("choose", _write(tmp_path / "one.json", bench_result(model))).out
        assert [line for line in out.splitlines() if line.startswith("made by")] == lines


def test_choosing_states_warnings(tmp_path: Path) -> None:
    """A choice is as reliable as its results."""
    answer = digits("choose", _run(tmp_path, "few", 1_000_000, 1_000_001))
    assert "note: few: m int8: 200 samples are too few for a p99, which needs 1,000\n" in answer.out


def test_choosing_reports_what_is_left_out(tmp_path: Path) -> None:
    """A model without an accuracy has no row in the table, but a note."""
    judged, other = (
        many_processes([1_000_000, 1_000_001], name="m"),
        many_processes([900_000, 900_001], name="quick", accuracy=None),
    )
    answer = digits("choose", _write(tmp_path / "one.json", bench_result(judged, other)))
    assert "note: quick int8 has no accuracy and is left out\n" in answer.out


def test_the_board_is_chosen_before_anything_is_compared(tmp_path: Path) -> None:
    """Two machines with one name do not matter for a third."""
    one, two = _run(tmp_path, "one", 1_000, 1_001), _run(tmp_path, "two", 1_002, 1_003, machine=replace(MACHINE, cores=8))
    five = _run(tmp_path, "five", 1_004, 1_005, machine=replace(MACHINE, board="Pi 5"))
    assert "two machines have the same name" in one_line(digits("choose", one, two, five, "--board", "Pi 4"), 4)
    assert digits("choose", one, two, five, "--board", "Pi 5").code == 0


def test_no_model_within_the_limits_exits_3() -> None:
    """After everything has been printed."""
    answer = digits("choose", AVX512, "--max-latency-us", 1)
    assert answer.code == 3
    assert "at most 1 us: excludes 10 of 10" in answer.out
    assert answer.err == "digits: no model on x86_64-avx512 is within the limits\n"


@pytest.mark.parametrize("command", ["report", "choose"])
def test_bad_results_exit_4(command: str, tmp_path: Path) -> None:
    """Truncated, of another schema, or not there: one line that begins with the file."""
    bad = tmp_path / "bad.json"
    content = json.loads(AVX512.read_text())
    for text in (AVX512.read_text()[:500], json.dumps({**content, "schema_version": 1}), json.dumps({**content, "threads": -1})):
        bad.write_text(text)
        assert one_line(digits(command, bad), 4).startswith(f"digits: {bad}: ")
    assert "cannot be read" in one_line(digits(command, tmp_path / "gone.json"), 4)
