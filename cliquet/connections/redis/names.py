"""Names and keys, as Redis keeps them."""

from __future__ import annotations

__all__ = ["from_bytes", "to_bytes"]


def to_bytes(text: str) -> bytes:
    """Return a text in the form that Redis keeps; it may have lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def from_bytes(name: bytes) -> str:
    """Return the text from the bytes that :func:`to_bytes` has made."""
    return name.decode("utf-8", "surrogatepass")
