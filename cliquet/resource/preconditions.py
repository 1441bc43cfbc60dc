"""Conditional requests: when a response is 304 or 412 (RFC 9110 13.1).

Owns the reading of ``If-Match`` and ``If-None-Match`` and the decisions that follow from them.
Knows neither the request nor the storage: the resource says what the conditions are about and
answers the client.

Comparisons are by order, not by equality (H-10.2): a timestamp only grows, so a client that has
seen a later one has seen this one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

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


class Wildcard(enum.Enum):
    """Type of :data:`ANY`."""

    ANY = "*"


ANY: Final = Wildcard.ANY
"""The condition ``*``: any version of the record."""

Match = int | Wildcard
"""What a precondition names: a timestamp in milliseconds, or :data:`ANY`."""


class State(enum.Enum):
    """What is at the address that the request names."""

    COLLECTION = enum.auto()
    """A collection: its GET, HEAD and DELETE, and a POST whose id names no live record."""

    LIVE = enum.auto()
    """A live record."""

    TOMBSTONE = enum.auto()
    """A deleted record, about to be created anew."""

    ABSENT = enum.auto()
    """No record, and no trace of one: a PUT about to create it."""


class Verdict(enum.Enum):
    """What becomes of a conditional request."""

    PROCEED = enum.auto()
    NOT_MODIFIED = enum.auto()
    """Answer 304."""
    MODIFIED_MEANWHILE = enum.auto()
    """Answer 412."""


@dataclass(frozen=True)
class Subject:
    """What the conditions of a request are compared with (H-10.3).

    Use the constructors :meth:`collection`, :meth:`record` and :meth:`absent`.

    Parameters
    ----------
    state : what is there.
    read_timestamp : gives its timestamp in milliseconds, called only when a condition needs it;
        ``None`` when nothing is there.
    """

    state: State
    read_timestamp: Callable[[], int] | None

    @classmethod
    def collection(cls, read_timestamp: Callable[[], int]) -> Subject:
        """Compare with the timestamp of the collection, read if need be."""
        return cls(State.COLLECTION, read_timestamp)

    @classmethod
    def record(
        cls, record: Mapping[str, JSONValue], *, modified_field: str, deleted_field: str
    ) -> Subject:
        """Compare with a live record or, when it is marked as deleted, with a tombstone."""
        is_deleted = record.get(deleted_field) is True
        timestamp: int = record[modified_field]
        return cls(State.TOMBSTONE if is_deleted else State.LIVE, lambda: timestamp)

    @classmethod
    def absent(cls) -> Subject:
        """Compare with nothing: the record never existed (X-2)."""
        return cls(State.ABSENT, None)


def judge(
    subject: Subject, *, is_safe: bool, if_match: str | None, if_none_match: str | None
) -> Verdict:
    """Decide on a conditional request: the whole table of H-10.6.

    A 304 wins over a 412 (H-10.7), and a header that decides nothing is not validated.

    Parameters
    ----------
    subject : what the conditions are about.
    is_safe : the method is GET or HEAD, the only ones that 304 answers.
    if_match, if_none_match : the headers' values, ``None`` when absent.

    Raises
    ------
    InvalidParameter : a header that had to be evaluated is malformed (H-10.4, H-10.5).
    """
    if is_safe and is_not_modified(subject, if_none_match):
        return Verdict.NOT_MODIFIED
    if is_modified_meanwhile(subject, if_match=if_match, if_none_match=if_none_match):
        return Verdict.MODIFIED_MEANWHILE
    return Verdict.PROCEED


def is_not_modified(subject: Subject, if_none_match: str | None) -> bool:
    """Tell whether a GET or HEAD is answered 304: nothing newer than what the client has.

    Raises
    ------
    InvalidParameter : the header is malformed (H-10.5).
    """
    match = parse_if_none_match(if_none_match, is_safe=True)
    if match is None or match is ANY or subject.read_timestamp is None:
        return False
    return subject.read_timestamp() <= match


def is_modified_meanwhile(
    subject: Subject, *, if_match: str | None, if_none_match: str | None
) -> bool:
    """Tell whether a request of any method is answered 412 (H-10.6, X-1, X-2, X-14).

    Raises
    ------
    InvalidParameter : ``If-Match`` is malformed, and ``If-None-Match: *`` has not decided
        before (H-10.4, H-10.7).
    """
    if parse_if_none_match(if_none_match, is_safe=False) is ANY:
        if subject.state is State.LIVE:
            return True
        if subject.state is State.TOMBSTONE:
            return False  # Whatever If-Match says (H-10.7).
    match = parse_if_match(if_match)
    if match is None:
        return False
    if match is ANY:
        return subject.state not in (State.COLLECTION, State.LIVE)
    # RFC 9110 13.1.1: the condition is false without a current representation.
    return subject.read_timestamp is None or subject.read_timestamp() > match


def parse_if_match(header: str | None) -> Match | None:
    """Read ``If-Match``: ``"<milliseconds>"`` or ``*`` (H-10.1, X-14).

    Returns
    -------
    The condition; ``None`` when the header is absent or empty.

    Raises
    ------
    InvalidParameter : anything else, weak tags and lists included (H-10.4).
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
    header : the header's value.
    is_safe : the method is GET or HEAD; with the others only ``*`` has a meaning, and anything
        else counts as absent (H-10.5).

    Returns
    -------
    The condition; ``None`` when the header is absent or empty.

    Raises
    ------
    InvalidParameter : malformed, on a safe method (H-10.5).
    """
    try:
        match = _parse(header)
    except ValueError:
        if is_safe:
            description = "Invalid value for If-None-Match"
            raise InvalidParameter("headers", None, description) from None
        return None
    return match if is_safe or match is ANY else None


def _parse(header: str | None) -> Match | None:
    # White space around a value is no part of it (RFC 9110 5.5), whoever built the request.
    text = (header or "").strip(" \t")
    if not text:
        return None
    if text == "*":
        return ANY
    if not text.startswith('"'):
        raise ValueError("an entity tag is quoted")
    return parse_timestamp(text)
