"""Whether all paths of one form lead to the same route, so that one of them tells it for all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["is_only_route"]


def is_only_route(route: Any, before: Iterable[Any], start: str) -> bool:
    """Return whether each path that is a text and one more segment leads to a route, as its ``id``.

    ``False`` also stands for patterns that this does not understand.

    Parameters
    ----------
    before : the routes that are tried before it.
    start : a text that ends with a slash, without variables.
    """
    pattern = _segments(route.pattern)
    return (
        not route.predicates
        and _is_plain(route.pattern)
        and pattern[-1] == "{id}"
        and _may_have(pattern, start)
        and not any(
            not _is_plain(other.pattern) or _may_have(_segments(other.pattern), start)
            for other in before
        )
    )


def _is_plain(pattern: str) -> bool:
    # A variable with an expression of its own, or with the rest of the path, may have slashes.
    return ":" not in pattern and "*" not in pattern


def _segments(pattern: str) -> list[str]:
    return pattern.removeprefix("/").split("/")


def _may_have(pattern: list[str], start: str) -> bool:
    given = _segments(start)
    return len(pattern) == len(given) and all(
        "{" in own or own == other for own, other in zip(pattern[:-1], given, strict=False)
    )
