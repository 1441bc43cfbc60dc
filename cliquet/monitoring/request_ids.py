"""The id of a request, by which its lines and its response are found."""

from __future__ import annotations

import os
import re

__all__ = ["request_id"]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id(header_value: str | None) -> str:
    """Return the request id of the client if it is acceptable, else a generated one.

    Parameters
    ----------
    header_value : the header ``X-Request-Id`` of the request; ``None`` if there is none.
    """
    if header_value is not None and _REQUEST_ID.fullmatch(header_value):
        return header_value
    return os.urandom(16).hex()
