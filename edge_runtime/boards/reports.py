"""What many boards have, or what came of them, as tables and as JSON."""

from collections.abc import Sequence
from typing import Any

from edge_runtime.boards.many import Outcome
from edge_runtime.common.text_table import text_table

Records = list[dict[str, Any]]


def status_records(outcomes: Sequence[Outcome[dict[str, Any]]]) -> Records:
    """An object for each board: what it replied, or why it could not be reached."""
    return [
        {
            "host": outcome.board.host,
            "reachable": not outcome.error,
            **(outcome.value or {"cause": outcome.cause, "error": outcome.error}),
        }
        for outcome in outcomes
    ]


def status_table(outcomes: Sequence[Outcome[dict[str, Any]]]) -> str:
    """A row for each model of each board."""
    header = ("board", "digits", "model", "file SHA-256", "proven (UTC)", "by runtime", "signed")
    return text_table(header, [row for outcome in outcomes for row in _status_rows(outcome)])


def _status_rows(outcome: Outcome[dict[str, Any]]) -> list[tuple[str, ...]]:
    host, found = outcome.board.host, outcome.value
    if found is None:
        return [(host, f"not reachable: {outcome.error}", "", "", "", "", "")]
    version = found["version"] or found["problem"]
    if not found["models"]:
        return [(host, version, "none", "", "", "", "")]
    return [
        (
            host,
            version,
            model["name"],
            model["file_sha256"][:12] if model["sound"] else "damaged",
            model["proven"] or "",
            model["runtime"] or "",
            "yes" if model["signed"] else "no",
        )
        for model in found["models"]
    ]


def deployment_records(outcomes: Sequence[Outcome[Records]]) -> Records:
    """An object for each board: its models as they are proven there, or cause and error."""
    return [
        {
            "host": outcome.board.host,
            "passed": not outcome.error,
            "cause": outcome.cause,
            "error": outcome.error,
            "models": outcome.value or [],
        }
        for outcome in outcomes
    ]


def describe_deployment(outcome: Outcome[Records]) -> str:
    """What came of a board, in a line."""
    return outcome.error or ", ".join(f"{model['model']} {_change(model)}" for model in outcome.value or [])


def deployment_table(outcomes: Sequence[Outcome[Records]]) -> str:
    """A row for each model of each board, and one for each board that failed."""
    header = ("board", "result", "model", "file SHA-256", "by runtime", "us per image")
    return text_table(header, [row for outcome in outcomes for row in _deployment_rows(outcome)])


def _deployment_rows(outcome: Outcome[Records]) -> list[tuple[str, ...]]:
    host = outcome.board.host
    if outcome.value is None:
        return [(host, f"failed ({outcome.cause})", "", "", "", "")]
    return [
        (host, _change(model), model["model"], model["file_sha256"][:12], model["runtime"], _time(model)) for model in outcome.value
    ]


def _change(model: dict[str, Any]) -> str:
    return "switched" if model["changed"] else "was there, proven again"


def _time(model: dict[str, Any]) -> str:
    return f"{model['nanoseconds'] / 1e3:,.1f}" if model["nanoseconds"] is not None else ""
