"""Conditional requests: when a response is 304 or 412 (RFC 9110 13.1).

This module reads ``If-Match`` and ``If-None-Match``, and decides on them. It knows neither the
request nor the storage: the resource gives it the subject of the conditions, and answers the
client.

Timestamps are compared by order, and not only for equality (H-10.2): a timestamp only grows, so
that a client that has seen a later one has also seen this one.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from cliquet.resource.parameters import InvalidParameter, parse_timestamp
from cliquet.types import JSONValue

__all__ = [
    "ANY",
    "Match",
    "State",
    "Subject",
    "Verdict",
    "Wildcard",
    "is_modified_meanwhile",
    "is_not_modified",
    "judge",
    "parse_if_match",
    "parse_if_none_match",
]


# A tag with its quotes and some space around it.
_MAX_KEPT_CHARACTERS: Final = 32


class Wildcard(enum.Enum):
    """The type of :data:`ANY`."""

    ANY = "*"


ANY: Final = Wildcard.ANY
"""The condition ``*``: any version of the record."""

Match = int | Wildcard
"""The value of a precondition: a timestamp in milliseconds, or :data:`ANY`."""


class State(enum.Enum):
    """The kinds of objects at the URL of a request."""

    COLLECTION = enum.auto()
    """A collection, for its GET, HEAD and DELETE, and for a POST whose id is not a live record."""

    LIVE = enum.auto()
    """A live record."""

    TOMBSTONE = enum.auto()
    """A deleted record that will be created again."""

    ABSENT = enum.auto()
    """No record and no tombstone, for a PUT that will create the record."""


class Verdict(enum.Enum):
    """The results of a conditional request that is not processed."""

    PROCEED = enum.auto()
    NOT_MODIFIED = enum.auto()
    """Answer 304."""
    MODIFIED_MEANWHILE = enum.auto()
    """Answer 412."""


class Subject(NamedTuple):
    """The object with which the conditions of a request are compared (H-10.3).

    Use the constructors :meth:`collection`, :meth:`record` and :meth:`absent`.

    Parameters
    ----------
    state : kind of the object.
    read_timestamp : function that returns its timestamp in milliseconds, which is only called if a
        condition needs it; ``None`` if nothing exists.
    """

    state: State
    read_timestamp: Callable[[], int] | None

    @classmethod
    def collection(cls, read_timestamp: Callable[[], int]) -> Subject:
        """Compare with the timestamp of the collection, which is only read if necessary."""
        return cls(State.COLLECTION, read_timestamp)

    @classmethod
    def record(
        cls, record: Mapping[str, JSONValue], *, modified_field: str, deleted_field: str
    ) -> Subject:
        """Compare with a live record or, if it is marked as deleted, with a tombstone."""
        is_deleted = record.get(deleted_field) is True
        timestamp: int = record[modified_field]
        return cls(State.TOMBSTONE if is_deleted else State.LIVE, lambda: timestamp)

    @classmethod
    def absent(cls) -> Subject:
        """Compare with nothing, because the record has never existed (X-2)."""
        return cls(State.ABSENT, None)


def judge(
    subject: Subject, *, is_safe: bool, if_match: str | None, if_none_match: str | None
) -> Verdict:
    """Decide on a conditional request (H-10.6).

    A 304 wins over a 412 (H-10.7), and a header that decides nothing is not validated.

    Parameters
    ----------
    subject : the object with which the conditions are compared.
    is_safe : whether the method is GET or HEAD; only these are answered with 304.
    if_match, if_none_match : values of the headers; ``None`` if they are absent.

    Raises
    ------
    InvalidParameter : a header that is needed for the decision is malformed.
    """
    if is_safe and is_not_modified(subject.read_timestamp, if_none_match):
        return Verdict.NOT_MODIFIED
    if is_modified_meanwhile(subject, if_match=if_match, if_none_match=if_none_match):
        return Verdict.MODIFIED_MEANWHILE
    return Verdict.PROCEED


def is_not_modified(read_timestamp: Callable[[], int] | None, if_none_match: str | None) -> bool:
    """Return whether a GET or HEAD is answered with 304, because the client has the newest state.

    Parameters
    ----------
    read_timestamp : that of the subject.

    Raises
    ------
    InvalidParameter : the header is malformed.
    """
    match = parse_if_none_match(if_none_match, is_safe=True)
    if match is None or match is ANY or read_timestamp is None:
        return False
    return read_timestamp() <= match


def is_modified_meanwhile(
    subject: Subject, *, if_match: str | None, if_none_match: str | None
) -> bool:
    """Return whether a request of any method is answered with 412 (H-10.6).

    Raises
    ------
    InvalidParameter : ``If-Match`` is malformed, and ``If-None-Match: *`` has not decided before.
    """
    if parse_if_none_match(if_none_match, is_safe=False) is ANY:
        if subject.state is State.LIVE:
            return True
        if subject.state is State.TOMBSTONE:
            return False  # whatever If-Match says (H-10.7)
    match = parse_if_match(if_match)
    if match is None:
        return False
    if match is ANY:
        return subject.state not in (State.COLLECTION, State.LIVE)
    # The condition is false without a current representation (RFC 9110 13.1.1), so that a missing
    # record gives 412.
    return subject.read_timestamp is None or subject.read_timestamp() > match


def parse_if_match(header: str | None) -> Match | None:
    """Read ``If-Match``: ``"<milliseconds>"`` or ``*`` (H-10.1).

    Returns
    -------
    The condition; ``None`` if the header is absent or empty.

    Raises
    ------
    InvalidParameter : the header has another value, such as a weak tag or a list (H-10.4).
    """
    try:
        return _parse(header)
    except ValueError:
        description = (
            "Invalid value for If-Match. The value should be integer between double quotes."
        )
        raise InvalidParameter("headers", None, description) from None


def parse_if_none_match(header: str | None, *, is_safe: bool) -> Match | None:
    """Read ``If-None-Match``: ``"<milliseconds>"`` or ``*`` (H-10.1).

    Parameters
    ----------
    header : value of the header.
    is_safe : whether the method is GET or HEAD. With other methods only ``*`` has a meaning, and
        any other value counts as absent (H-10.5).

    Returns
    -------
    The condition; ``None`` if the header is absent or empty.

    Raises
    ------
    InvalidParameter : the header is malformed, and the method is safe.
    """
    try:
        is_short = header is not None and len(header) <= _MAX_KEPT_CHARACTERS
        match = _parsed(header) if is_short else _parse(header)
    except ValueError:
        if is_safe:
            description = "Invalid value for If-None-Match"
            raise InvalidParameter("headers", None, description) from None
        return None
    return match if is_safe or match is ANY else None


def _parse(header: str | None) -> Match | None:
    # White space around a value is not a part of it (RFC 9110 5.5). A server removes it, but an
    # application may have made the request.
    text = (header or "").strip(" \t")
    if not text:
        return None
    if text == "*":
        return ANY
    if not text.startswith('"'):
        raise ValueError("an entity tag is quoted")
    return parse_timestamp(text)


# Clients that wait for a change send the same tag again and again.
_parsed = functools.lru_cache(maxsize=1024)(_parse)
