"""The page at /: one HTML file with inline script and style, which may load nothing else."""

import base64
import hashlib
import re
from pathlib import Path

from edge_runtime.serving.http.messages import Request, Response

PAGE = Path(__file__).with_name("page.html")


class Page:
    """The route /. Its Content-Security-Policy allows the file's own script and style, by their hashes, and nothing else."""

    def __init__(self) -> None:
        text = PAGE.read_text("utf-8")
        headers = (
            ("Content-Security-Policy", content_policy(text)),
            ("Referrer-Policy", "no-referrer"),
            ("X-Frame-Options", "DENY"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Permissions-Policy", "camera=(self), microphone=(), geolocation=()"),
        )
        self._response = Response(text.encode(), media_type="text/html; charset=utf-8", headers=headers)

    async def page(self, request: Request) -> Response:
        """GET /."""
        return self._response


def content_policy(page: str) -> str:
    """The Content-Security-Policy of a page with inline scripts and styles."""
    scripts, styles = (_hashes(tag, page) for tag in ("script", "style"))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data: blob:; media-src blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hashes(tag: str, page: str) -> str:
    contents = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" for content in contents)
