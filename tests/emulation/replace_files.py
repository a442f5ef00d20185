"""Runs on an emulated board: replaces files as fast as it can, until the plug is pulled; or says what is in them afterwards.

python3 replace_files.py FOLDER              prints the number that each file holds, once it is written
python3 replace_files.py FOLDER --check      prints one JSON object: the number in each file, null if the file is not whole
"""

import itertools
import json
import sys
from pathlib import Path

FILES = 8
LINES = 20_000


def main(folder: Path, check: bool) -> None:
    """Write or read."""
    if check:
        print(json.dumps({path.name: number_of(path.read_text()) for path in sorted(folder.glob("[0-9]*"))}))
        return
    from edge_runtime.common.atomic_files import write_file

    for number in itertools.count():
        write_file(folder / str(number % FILES), content(number), force=True)
        print(number, flush=True)


def content(number: int) -> str:
    """What a file with that number holds."""
    return f"{number:09}\n" * LINES


def number_of(text: str) -> int | None:
    """The number of a whole file; None of any other."""
    number = int(text[:9]) if text[:9].isdecimal() else -1
    return number if number >= 0 and text == content(number) else None


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--check" in sys.argv[2:])
