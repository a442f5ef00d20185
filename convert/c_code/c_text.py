"""Pieces of C text. No text of a model file is put into C code as it is."""

import re
import textwrap
from collections.abc import Iterable

from edge_runtime.errors import BadArgument

_WIDTH = 132
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,47}")
_PLAIN = re.compile(r"[A-Za-z0-9 ,._:%-]")  # of strings and comments: no quote, backslash, question mark (trigraphs), slash or star


def identifier(name: str) -> str:
    """The prefix of everything that the C code of a model declares, such as digits_nano.

    Raises:
        BadArgument: a character of the name has no place in C; another name must be given.
    """
    if not _NAME.fullmatch(name):
        raise BadArgument(
            f"name is {ascii(name)[:80]}, which gives no C identifier; give --name with 1 to 48 letters, digits or hyphens"
        )
    return f"digits_{re.sub('[^A-Za-z0-9]', '_', name)}"


def string(text: str) -> str:
    """A string literal of any text, in UTF-8: what is not a plain character is an octal escape, which ends after three digits."""
    parts = (chr(byte) if _PLAIN.fullmatch(chr(byte)) else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(parts)}"'


def comment_text(text: str) -> str:
    """A text as it may stand in a comment: other characters than plain ones become '_'."""
    return "".join(letter if _PLAIN.fullmatch(letter) else "_" for letter in text)


def array(declaration: str, values: Iterable[int | str], suffix: str = "") -> str:
    """A constant array."""
    body = textwrap.fill(", ".join(f"{value}{suffix}" for value in values), _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f"{declaration} = {{\n{body},\n}};\n"


def chosen_lines(template: str, flags: set[str]) -> str:
    """A template without the lines marked `//? flag` whose flag is not set, and those marked `//! flag` whose flag is."""
    lines = []
    for line in template.splitlines():
        code, mark, flag = (line + "  ").replace("//!", "//?!").partition("//?")
        flag = flag.strip()
        if not mark or (flag in flags if not flag.startswith("!") else flag[1:].strip() not in flags):
            lines.append(code.rstrip() if mark else line)
    return "\n".join(lines) + "\n"
