"""Who may send requests: bearer token and Host header."""

import hmac
import ipaddress
import re
from dataclasses import field

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.serving.http.errors import Forbidden, Unauthorized

PROBES = ("/v2/health/live", "/v2/health/ready")
_WITHOUT_TOKEN = ("/", *PROBES)
_HOST = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::\d*)?")


@frozen_dataclass
class Access:
    """Access rules.

    token: the bearer token that a request must carry; None for none.
    hosts: the names that its Host header may have, beside IP addresses. Without this check, another site could point its own name at this
        machine and have a visitor's browser read from here (DNS rebinding).
    """

    token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] = frozenset(("localhost",))

    def check(self, path: str, headers: dict[bytes, bytes]) -> None:
        """Check a request.

        Raises:
            Forbidden: its Host header names another host.
            Unauthorized: its token is missing or wrong.
        """
        host = _host_name(headers.get(b"host", b""))
        if host not in self.hosts and not _is_address(host):
            raise Forbidden(f"the Host header names {host[:100]!r}, which is not served; allow it with --allow-host")
        if self.token is not None and path not in _WITHOUT_TOKEN:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if not hmac.compare_digest(given, self.token.encode()) or scheme.lower() != b"bearer":
                raise Unauthorized("this server needs a bearer token; send the header Authorization: Bearer TOKEN")


def _host_name(value: bytes) -> str:
    """The name or address in a Host header, without its port; empty if it is not valid."""
    found = _HOST.fullmatch(value.decode("latin-1").strip().lower())
    return (found[1] or found[2]).rstrip(".") if found else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
