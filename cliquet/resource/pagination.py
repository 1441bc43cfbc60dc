"""Pages of a listing: complete sort criteria, tokens, rules, the next page's parameters.

A page starts strictly after the last item of the one before, by value and not by index (H-14.10).
Owns the format of the token, which is opaque to clients. Knows neither the request nor the
storage.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus

from cliquet.core import jsonio
from cliquet.resource import anchors
from cliquet.resource.anchors import MAX_OFFSET, Anchors, is_integer
from cliquet.resource.parameters import MAX_TIMESTAMP, InvalidParameter
from cliquet.storage.ordering import resolve
from cliquet.storage.query import COMPARISON, MISSING, Filter, PaginationRule, Sort
from cliquet.types import JSONValue

__all__ = [
    "Token",
    "complete_sorting",
    "decode_token",
    "encode_token",
    "next_page_query",
    "pagination_rules",
    "rule_of",
]


@dataclass(frozen=True)
class Token:
    """Where a page starts.

    Parameters
    ----------
    last_record : sort fields of the last item delivered, by name; those it lacks are absent.
    offset : number of items delivered by the pages before.
    """

    last_record: dict[str, JSONValue]
    offset: int


def complete_sorting(sorting: Sequence[Sort], *, id_field: str, modified_field: str) -> list[Sort]:
    """Make sort criteria a total order: the timestamp, then the id, break ties.

    The timestamp descends (H-13.5). The id goes the way of the criterion before it, so that one
    index serves both (D-24).
    """
    completed = list(sorting)
    fields = [item.field for item in completed]
    if modified_field not in fields:
        completed.append(Sort(modified_field, -1))
    if id_field not in fields:
        completed.append(Sort(id_field, completed[-1].direction))
    return completed


def encode_token(sorting: Iterable[Sort], last_record: Mapping[str, JSONValue], offset: int) -> str:
    """Write the token of the page that follows `last_record` (H-14.9).

    It is as long as the values: :mod:`cliquet.resource.anchors` has another for long ones.

    Parameters
    ----------
    sorting : criteria of the listing, complete.
    last_record : the last item of the page, whole; a field that it lacks is left out (D-26).
    offset : number of items delivered so far, this page included.
    """
    values = {}
    for item in sorting:
        value = resolve(last_record, item.field)
        if value is not MISSING:
            values[item.field] = value
    content = jsonio.dumps({"last_record": values, "offset": offset})
    return base64.b64encode(content).decode("ascii")


def decode_token(
    token: str, *, sorting: Sequence[Sort], id_field: str, modified_field: str
) -> Token | Anchors:
    """Read a token, and refuse what cannot have been written for this listing.

    Parameters
    ----------
    token : the parameter ``_token``.
    sorting : criteria of the listing, complete.
    id_field, modified_field : every item has them; when sorted on, the token names them.

    Raises
    ------
    InvalidParameter : the token is damaged, forged or of another listing (H-14.11, D-21).
    """
    try:
        # ValueError covers text that is not ASCII, not base64, not JSON, not acceptable.
        content = jsonio.loads_strict(base64.b64decode(token, validate=True))
        if isinstance(content, dict) and "before" in content:
            return anchors.read(content, sorting)
        return _checked(content, {item.field for item in sorting}, id_field, modified_field)
    except ValueError:
        description = "_token has invalid content"
        raise InvalidParameter("querystring", None, description) from None


def pagination_rules(
    sorting: Sequence[Sort], last_record: Mapping[str, JSONValue]
) -> list[PaginationRule]:
    """Build the rules that keep what comes strictly after `last_record` (B-6.22).

    Parameters
    ----------
    sorting : criteria of the listing, complete.
    last_record : the item itself, or the values of a :class:`Token`; a field that it lacks is
        compared with :data:`MISSING`, which comes after every value (B-6.19, B-21.12).
    """
    values = [resolve(last_record, item.field) for item in sorting]
    rules = []
    for rank in range(len(sorting) - 1, -1, -1):
        rule = [
            Filter(item.field, value, COMPARISON.EQ)
            for item, value in zip(sorting[:rank], values, strict=False)
        ]
        field, direction = sorting[rank]
        operator = COMPARISON.GT if direction > 0 else COMPARISON.LT
        rule.append(Filter(field, values[rank], operator))
        rules.append(rule)
    return rules


def rule_of(sorting: Sequence[Sort], record: Mapping[str, JSONValue]) -> PaginationRule:
    """Return the rule that keeps what stands where `record` does: that record alone.

    Parameters
    ----------
    sorting, record : as :func:`pagination_rules` takes them.
    """
    return [Filter(item.field, resolve(record, item.field), COMPARISON.EQ) for item in sorting]


# RFC 3986 3.4, but for what has a meaning within parameters.
_PARAMETER_SAFE: Final = "/?:@!$'()*,"


def next_page_query(params: Iterable[tuple[str, str]], *, limit: int, token: str) -> str:
    """Return the query string of the next page: the current one, with limit and token (H-14.5).

    Nothing is escaped that may stand as it is: a URL that a server took is not to grow into one
    that it refuses.

    Parameters
    ----------
    params : names and values of the current request, decoded.
    limit : number of items of a page, as applied to the current one.
    token : written by :func:`encode_token`, or as :mod:`cliquet.resource.anchors` does.
    """
    kept = [
        f"{quote_plus(name, safe=_PARAMETER_SAFE)}={quote_plus(value, safe=_PARAMETER_SAFE)}"
        for name, value in params
        if name not in ("_limit", "_token")
    ]
    # Base64, but for its padding, is escaped at once; else `quote` looks at each character.
    unpadded = token.rstrip("=")
    escaped = quote_plus(unpadded, safe=_PARAMETER_SAFE) + "%3D" * (len(token) - len(unpadded))
    return "&".join((*kept, f"_limit={limit}", f"_token={escaped}"))


def _checked(
    content: JSONValue, sort_fields: set[str], id_field: str, modified_field: str
) -> Token:
    """Make a token of decoded JSON.

    Raises
    ------
    ValueError : its shape or one of its values is not what a token holds (D-21, X-21).
    """
    if not isinstance(content, dict) or content.keys() != {"last_record", "offset"}:
        raise ValueError("not the members of a token")
    last_record, offset = content["last_record"], content["offset"]
    if not is_integer(offset, MAX_OFFSET):
        raise ValueError("not a count of items")
    if not isinstance(last_record, dict) or not last_record.keys() <= sort_fields:
        raise ValueError("not the sort fields of the listing")
    if modified_field in sort_fields and not is_integer(
        last_record.get(modified_field), MAX_TIMESTAMP
    ):
        raise ValueError("not a timestamp")
    if id_field in sort_fields and not isinstance(last_record.get(id_field), str):
        raise ValueError("not an id")
    return Token(last_record, offset)
