"""Pages of a list: complete sort criteria, tokens, rules, parameters of the next page.

A page starts strictly after the last item of the previous one, by its values and not by its index
(H-14.10). This module defines the format of the token, which is opaque for clients. It knows
neither the request nor the storage.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus

from cliquet.core import jsonio
from cliquet.resource import anchors
from cliquet.resource.anchors import MAX_OFFSET, Anchors, is_integer
from cliquet.resource.parameters import MAX_TIMESTAMP, InvalidParameter
from cliquet.resource.totals import Counted
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
    "query_of",
    "rule_of",
]


class Token(NamedTuple):
    """The place where a page starts.

    Parameters
    ----------
    last_record : sort fields of the last delivered item, by name; missing fields are absent.
    offset : number of items on the previous pages.
    counted : the total of the list, if an earlier page has counted it.
    """

    last_record: dict[str, JSONValue]
    offset: int
    counted: Counted | None = None


def complete_sorting(sorting: Sequence[Sort], *, id_field: str, modified_field: str) -> list[Sort]:
    """Make sort criteria a total order, with the timestamp and then the id at the end.

    The timestamp descends (H-13.5). The id has the direction of the criterion before it, so that
    one index serves both (D-24).
    """
    completed = list(sorting)
    fields = [item.field for item in completed]
    if modified_field not in fields:
        completed.append(Sort(modified_field, -1))
    if id_field not in fields:
        completed.append(Sort(id_field, completed[-1].direction))
    return completed


def encode_token(
    sorting: Iterable[Sort],
    last_record: Mapping[str, JSONValue],
    offset: int,
    counted: Counted | None = None,
) -> str:
    """Return the token of the page after `last_record` (H-14.9).

    It is as long as the values; :mod:`cliquet.resource.anchors` has another one for long values.

    Parameters
    ----------
    sorting : complete sort criteria of the list.
    last_record : the last item of the page, whole; a missing field is left out (D-26).
    offset : number of items so far, including this page.
    counted : the total of the list.
    """
    values = {}
    for item in sorting:
        value = resolve(last_record, item.field)
        if value is not MISSING:
            values[item.field] = value
    content: dict[str, Any] = {"last_record": values, "offset": offset}
    if counted is not None:
        # A list is written at once, and what is derived from a tuple is not.
        content["total"] = list(counted)
    return base64.b64encode(jsonio.dumps(content)).decode("ascii")


def decode_token(
    token: str, *, sorting: Sequence[Sort], id_field: str, modified_field: str
) -> Token | Anchors:
    """Read a token, and refuse one that cannot belong to this list.

    Parameters
    ----------
    token : the parameter ``_token``.
    sorting : complete sort criteria of the list.
    id_field, modified_field : fields that every item has; if they are sort criteria, the token must
        contain them.

    Raises
    ------
    InvalidParameter : the token is damaged or forged, or belongs to another list (D-21).
    """
    try:
        # A ValueError means that the text is not ASCII, not base64, not JSON, or not acceptable.
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
    """Return the rules that keep the records strictly after `last_record` (B-6.22).

    Parameters
    ----------
    sorting : complete sort criteria of the list.
    last_record : the item itself, or the values of a :class:`Token`; a missing field is compared as
        :data:`MISSING`, which comes after every value.
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
    """Return the rule that keeps only `record`, by its place in the list.

    Parameters
    ----------
    sorting, record : the same as for :func:`pagination_rules`.
    """
    return [Filter(item.field, resolve(record, item.field), COMPARISON.EQ) for item in sorting]


# Characters of RFC 3986 3.4, except those with a meaning within parameters.
_PARAMETER_SAFE: Final = "/?:@!$'()*,"
_NEEDS_NO_ESCAPE: Final = re.compile(rf"[A-Za-z0-9_.~{re.escape(_PARAMETER_SAFE)}-]*")


def _escaped(text: str) -> str:
    """Return a name or a value of a query string; most of them stay as they are."""
    if _NEEDS_NO_ESCAPE.fullmatch(text):
        return text
    return quote_plus(text, safe=_PARAMETER_SAFE)


def next_page_query(params: Iterable[tuple[str, str]], *, limit: int, token: str) -> str:
    """Return the query string of the next page: the present one, with limit and token (H-14.5).

    Characters that need no escape stay as they are, so that a URL that a server accepted does not
    grow into one that it refuses.

    Parameters
    ----------
    params : names and values of the current request, decoded.
    limit : number of items of the current page.
    token : token from :func:`encode_token` or from :mod:`cliquet.resource.anchors`.
    """
    kept = query_of([item for item in params if item[0] not in ("_limit", "_token")])
    # Base64 without its padding needs few escapes; otherwise `quote` would look at each character.
    unpadded = token.rstrip("=")
    escaped = _escaped(unpadded) + "%3D" * (len(token) - len(unpadded))
    return "&".join((*([kept] if kept else []), f"_limit={limit}", f"_token={escaped}"))


def query_of(params: Iterable[tuple[str, str]]) -> str:
    """Return the query string of parameters, with no more escapes than needed."""
    return "&".join([f"{_escaped(name)}={_escaped(value)}" for name, value in params])


def _checked(
    content: JSONValue, sort_fields: set[str], id_field: str, modified_field: str
) -> Token:
    """Make a token from decoded JSON.

    Raises
    ------
    ValueError : its form or one of its values is not that of a token.
    """
    counted = None
    if isinstance(content, dict) and "total" in content:
        counted = _counted(content.pop("total"))
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
    return Token(last_record, offset, counted)


def _counted(value: JSONValue) -> Counted:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("not a total")
    timestamp, total, digest = value
    is_total = is_integer(timestamp, MAX_TIMESTAMP) and is_integer(total, MAX_OFFSET)
    if not is_total or not isinstance(digest, str):
        raise ValueError("not a timestamp, a total and a digest")
    return Counted(timestamp, total, digest)
