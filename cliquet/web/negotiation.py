"""What a client takes, judged once for each text of ``Accept``."""

from __future__ import annotations

import functools

from webob.acceptparse import create_accept_header

__all__ = ["admits_any"]

# Few clients write more; what is longer is judged each time.
_MAX_KEPT_CHARACTERS = 300


def admits_any(accept: str, offers: tuple[str, ...]) -> bool:
    """Whether a client takes one of the media types that are offered.

    Parameters
    ----------
    accept : the header. One that is no list of media ranges admits everything.
    """
    judge = _judged if len(accept) <= _MAX_KEPT_CHARACTERS else _judge
    return judge(accept, offers)


def _judge(accept: str, offers: tuple[str, ...]) -> bool:
    return bool(create_accept_header(accept).acceptable_offers(list(offers)))


# Some 200 kB at most, since clients may write what they like.
_judged = functools.lru_cache(maxsize=256)(_judge)
