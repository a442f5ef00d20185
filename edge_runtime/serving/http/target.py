"""A request's target in one form, so that access, limits and routes see the same host and path."""

import re
from urllib.parse import unquote

from edge_runtime.serving.http.messages import Message

_ABSOLUTE = re.compile(rb"https?://([^/]*)(/.*)?", re.IGNORECASE | re.DOTALL)


def to_origin_form(scope: Message) -> None:
    """Bring a target in absolute form, as proxies send it, into origin form; its host replaces the Host header (RFC 9112, 3.2.2)."""
    absolute = _ABSOLUTE.fullmatch(scope["raw_path"])
    if absolute:
        scope["raw_path"] = absolute[2] or b"/"
        scope["path"] = unquote(scope["raw_path"].decode("ascii"))
        others = [pair for pair in scope["headers"] if pair[0] != b"host"]
        scope["headers"] = [(b"host", absolute[1]), *others]
