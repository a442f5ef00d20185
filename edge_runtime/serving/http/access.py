"""Who may send requests: bearer token and Host header."""

import hmac
from dataclasses import field

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.serving.http.errors import Forbidden, Unauthorized

LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "::1"))
PROBES = (b"/v2/health/live", b"/v2/health/ready")
_WITHOUT_TOKEN = (b"/", *PROBES)


@frozen_dataclass
class Access:
    """Access rules.

    token: the bearer token that a request must carry; None for none.
    hosts: the names that its Host header may have; None for any. Without this check, another site could point its own name at 127.0.0.1
        and have a visitor's browser read from here (DNS rebinding).
    """

    token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] | None = LOOPBACK_HOSTS

    def check(self, path: bytes, headers: dict[bytes, bytes]) -> None:
        """Check a request.

        Raises:
            Forbidden: its Host header names another host.
            Unauthorized: its token is missing or wrong.
        """
        if self.hosts is not None and _host_name(headers.get(b"host", b"")) not in self.hosts:
            raise Forbidden("the Host header names a host that is not served; allow it with --allow-host")
        if self.token is not None and path not in _WITHOUT_TOKEN:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if not hmac.compare_digest(given, self.token.encode()) or scheme.lower() != b"bearer":
                raise Unauthorized("this server needs a bearer token; send the header Authorization: Bearer TOKEN")


def _host_name(value: bytes) -> str:
    """The name in a Host header, without its port."""
    text = value.decode("latin-1").strip().lower()
    return text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
