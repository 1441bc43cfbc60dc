"""Content negotiation, which is decided once for each text of ``Accept``."""

from __future__ import annotations

import functools

from webob.acceptparse import create_accept_header

__all__ = ["admits_any"]

# Few clients send more; a longer header is examined each time.
_MAX_KEPT_CHARACTERS = 300


def admits_any(accept: str, offers: tuple[str, ...]) -> bool:
    """Return whether a client accepts one of the offered media types.

    Parameters
    ----------
    accept : value of the header. If it is not a list of media ranges, it admits everything.
    """
    judge = _judged if len(accept) <= _MAX_KEPT_CHARACTERS else _judge
    return judge(accept, offers)


def _judge(accept: str, offers: tuple[str, ...]) -> bool:
    return bool(create_accept_header(accept).acceptable_offers(list(offers)))


# It keeps at most about 200 kB, because clients may send any texts.
_judged = functools.lru_cache(maxsize=256)(_judge)
