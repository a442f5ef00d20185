"""TLS by a certificate and key of the user's."""

import ssl
from pathlib import Path

from edge_runtime.errors import BadArgument


def tls_context(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """A context for TLS 1.2 and later; None without a certificate. The key may be in the certificate's file.

    Raises:
        BadArgument: a file cannot be read, is not PEM, has a passphrase, or they do not belong together; or a key comes alone.
    """
    if cert is None:
        if key is not None:
            raise BadArgument(f"{key}: a key is for a certificate; give that with --cert")
        return None
    files = " and ".join(str(path) for path in (cert, key) if path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password="")  # none would make OpenSSL ask for one
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise BadArgument(
            f"{files}: cannot be used for TLS ({reason}); give a PEM certificate and its key without a passphrase"
        ) from error
    return context
