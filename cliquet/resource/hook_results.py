"""Errors for the author of a hook that returns what it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from cliquet.core.mistakes import place_of
from cliquet.types import Record

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["as_body", "as_parent", "as_record", "unstorable", "wrong_result"]

T = TypeVar("T")

_NO_PARENTS: Final = (int, float, bytes, list, tuple, dict, set)


def wrong_result(resource: UserResource, hook: str, result: object, allowed: str) -> TypeError:
    """Return the error of a hook, which names its class, its file and its line.

    Parameters
    ----------
    result : what the hook returned. Only its type is told, because it may be data of a user.
    """
    cls = type(resource)
    given = "nothing" if result is None else f"an object of the type {type(result).__name__}"
    return TypeError(
        f"{place_of(getattr(cls, hook))}: {cls.__qualname__}.{hook}() returned {given}; allowed: "
        f"{allowed}."
    )


def as_parent(resource: UserResource, result: Any) -> str:
    """Return the parent that ``get_parent_id`` returned; the empty one for ``None``.

    Raises
    ------
    TypeError : it is no text.
    """
    if isinstance(result, _NO_PARENTS):
        raise wrong_result(resource, "get_parent_id", result, "a text")
    # Tests of applications have stand-ins for texts (P-31).
    return result or ""


def as_record(resource: UserResource, hook: str, result: Any) -> Record:
    """Return a copy of the record that a hook returned.

    Raises
    ------
    TypeError : it is no record.
    """
    try:
        return dict(result)
    except (TypeError, ValueError):
        raise wrong_result(resource, hook, result, "the record, a dictionary") from None


def as_body(resource: UserResource, result: T) -> T:
    """Return the body that ``postprocess`` returned.

    Raises
    ------
    TypeError : it is nothing, which clients would get as ``null``.
    """
    if result is None:
        raise wrong_result(resource, "postprocess", result, "the body, a dictionary with 'data'")
    return result


def unstorable(resource: UserResource, member: str, what: str) -> TypeError:
    """Return the error of a record with a value that JSON cannot hold.

    Parameters
    ----------
    what : what the value is, in words.
    """
    cls = type(resource)
    return TypeError(
        f"{place_of(cls.process_record)}: {cls.__qualname__}.process_record(), or the schema of "
        f"the class, gives the member {member!r} the value of {what}, which JSON cannot hold; "
        "allowed: dictionaries, lists, texts, numbers, dates, and objects with a text of their own."
    )
