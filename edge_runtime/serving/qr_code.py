"""A QR code in the terminal, so that a phone need not type the address of `digits serve`."""

import io

import segno


def qr_code(address: str) -> str:
    """The QR code of an address, as lines of block characters, two rows of modules per line."""
    text = io.StringIO()
    segno.make(address, micro=False).terminal(text, compact=True)
    return text.getvalue()
