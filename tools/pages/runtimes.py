"""The table of docs/results/runtimes.md."""

import json
from collections.abc import Mapping
from typing import Any

from convert.compatibility.operator_support import TABLE, Use
from tools.release.layout import Layout
from tools.release.operators.prove import DIFFER, RELEASES


def operators(layout: Layout) -> str:
    """Operators that do not run in every release."""
    return found_table(json.loads((layout.root / "convert" / "compatibility" / TABLE).read_text()))


def found_table(content: Mapping[str, Any]) -> str:
    """Markdown: the operators that do not run everywhere, each with the release of each runtime from which on it does."""
    header = ["operator", *(f"{package} from" for package in RELEASES), "proof"]
    everywhere = {package: versions[0] for package, versions in RELEASES.items()}
    odd = [row for row in content["rows"] if row["runs"] != everywhere]
    lines = [
        f"| {Use(row['operator'], row['version'], tuple(row['inputs']), tuple(row['outputs']))} | "
        + " | ".join(row["runs"].get(package) or _why_not(package, row["refused"]) for package in RELEASES)
        + f" | `{row['proof']}` |"
        for row in odd
    ]
    count = len(content["rows"])
    return "\n".join(
        [
            f"{count} rows, of which {count - len(odd)} run in all {sum(map(len, RELEASES.values()))} releases. The others:",
            "",
            f"| {' | '.join(header)} |",
            "| --- " * len(header) + "|",
            *lines,
        ]
    )


def _why_not(package: str, refused: Mapping[str, str]) -> str:
    messages = [text for release, text in refused.items() if release.startswith(f"{package} ")]
    return "unproven" if not messages else "computes something else" if messages[-1].startswith(DIFFER) else "refused"
