"""Runs one action on a board, and turns what goes wrong into a reply."""

import errno
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from edge_runtime.boards.on_board import environments, jobs, models
from edge_runtime.boards.on_board.files import LaptopGone, Refused, reply

ACTIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "probe": environments.probe,
    "install": environments.install,
    "remove": environments.remove,
    "deploy": models.deploy,
    "rollback": models.rollback,
    "status": models.status,
    "receive_inputs": jobs.receive_inputs,
    "run_command": jobs.run_command,
    "collect": jobs.collect,
}


def main(action: str, request: dict[str, Any]) -> None:
    """Run an action. A refusal is a reply with `cause` and `error`, and exit code 1."""
    try:
        ACTIONS[action](request)
    except Refused as refused:
        _refuse(refused.cause, str(refused))
    except LaptopGone:
        sys.exit(1)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _refuse("full", "the disk is full; make room there")
        _refuse("system", f"{error.filename or action}: {error.strerror or error}")


def _refuse(cause: str, text: str) -> None:
    with suppress(LaptopGone):
        reply(cause=cause, error=text)
    sys.exit(1)
