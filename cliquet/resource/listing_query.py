"""The reading of the query string of a list, with the rules of its resource.

The pure modules ``querystring``, ``pagination`` and ``anchors`` do the parsing. These functions
give them the data of the resource, and turn their errors into responses. The methods of a resource
that applications override call these functions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPPreconditionFailed

from cliquet import errors, settings, utils
from cliquet.resource import anchors, pagination, querystring, refusals, strict_filters
from cliquet.resource.bounds import Bounds
from cliquet.resource.parameters import InvalidParameter
from cliquet.security.sent_parameters import Pair, sent_pairs, sent_parameters
from cliquet.storage import Filter, Sort
from cliquet.storage.query import COMPARISON, PaginationRule

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = [
    "fields",
    "filters",
    "limit",
    "own_filters",
    "reserved_fields",
    "sorting",
    "start_of_page",
]

_DEPRECATED_TO = "_to is now deprecated, you should use _before instead"
_DEPRECATED_TO_URL = (
    "http://cliquet.rtfd.org/en/2.4.0/api/resource.html#list-of-available-url-parameters"
)
_LOST = "The records that _token names were modified meanwhile: list again from the first page"


def filters(resource: UserResource, queryparams: Any = None) -> list[Filter]:
    """Read the filters.

    Parameters
    ----------
    queryparams : parameters to read instead of the query string of the request.
    """
    if queryparams is None:
        # A name may be there several times.
        params: Any = sent_parameters(resource.request)
        pairs = sent_pairs(resource.request)
    else:
        params, pairs = queryparams, list(queryparams.items())
    model = resource.model
    declared = [node.name for node in resource._schema.children]
    own = resource.query_parameters
    try:
        found = querystring.parse_filters(
            _without(pairs, own),
            is_known_field=partial(_is_known_path, resource),
            id_field=model.id_field,
            modified_field=model.modified_field,
            deleted_field=model.deleted_field,
            declared_fields=declared,
            bounds=_bounds(resource),
        )
        if params and _is_strict(resource):
            strict_filters.check_names(params, (*strict_filters.OF_LISTS, *own))
            strict_filters.check_sort(params.get("_sort"), partial(_is_known_path, resource))
            strict_filters.check_filters(_without(pairs, own), resource._schema, declared)
    except InvalidParameter as error:
        refusals.raise_invalid_parameter(resource.request, error)
    if found.deprecated_to:
        errors.send_alert(resource.request, _DEPRECATED_TO, url=_DEPRECATED_TO_URL)
    return found.filters


def _without(pairs: Iterable[Pair], own: Collection[str]) -> Iterable[Pair]:
    """Return the parameters that the code of a resource does not read itself."""
    return [one for one in pairs if one[0] not in own] if own else pairs


def own_filters(resource: UserResource) -> list[Filter]:
    """Read the filters, without the limit to what the user may see."""
    resource._is_view_apart = True
    try:
        return resource._extract_filters()
    finally:
        resource._is_view_apart = False


def limit(resource: UserResource) -> int | None:
    """Read ``_limit``."""
    request = resource.request
    configured = request.registry.settings
    try:
        return querystring.parse_limit(
            sent_parameters(request).get("_limit"),
            paginate_by=settings.read(configured, "paginate_by"),
            max_fetch_size=settings.read(configured, "storage_max_fetch_size"),
        )
    except InvalidParameter as error:
        refusals.raise_invalid_parameter(request, error)


def sorting(resource: UserResource) -> list[Sort]:
    """Read ``_sort``, and complete it to a total order."""
    model = resource.model
    try:
        criteria = querystring.parse_sort(
            sent_parameters(resource.request).get("_sort"),
            is_known_field=partial(_is_known_path, resource),
            modified_field=model.modified_field,
            bounds=_bounds(resource),
        )
    except InvalidParameter as error:
        refusals.raise_invalid_parameter(resource.request, error)
    return pagination.complete_sorting(
        criteria, id_field=model.id_field, modified_field=model.modified_field
    )


def fields(resource: UserResource) -> list[str] | None:
    """Read ``_fields``."""
    request = resource.request
    params = sent_parameters(request)
    wanted = params.get("_fields")
    if not wanted and not (params and resource.record_id is not None):
        return None
    model = resource.model
    try:
        if params and resource.record_id is not None and _is_strict(resource):
            known = (*strict_filters.OF_RECORDS, *resource.query_parameters)
            strict_filters.check_names(params, known)
        return querystring.parse_fields(
            wanted,
            known_fields=resource._get_known_fields(),
            preserve_unknown=resource.mapping.get_option("preserve_unknown") is True,
            id_field=model.id_field,
            modified_field=model.modified_field,
            deleted_field=model.deleted_field,
            bounds=_bounds(resource),
        )
    except InvalidParameter as error:
        refusals.raise_invalid_parameter(resource.request, error)


def start_of_page(resource: UserResource, sorting: list[Sort]) -> tuple[list[PaginationRule], int]:
    """Read ``_token``: the place where the page starts, and the number of items before it."""
    value = sent_parameters(resource.request).get("_token")
    if not value:
        return [], 0
    try:
        token = pagination.decode_token(
            value,
            sorting=sorting,
            id_field=resource.model.id_field,
            modified_field=resource.model.modified_field,
        )
    except InvalidParameter as error:
        refusals.raise_invalid_parameter(resource.request, error)
    if isinstance(token, anchors.Anchors):
        return _rules_from_anchors(resource, sorting, token), token.offset
    resource._counted = token.counted
    return resource._build_pagination_rules(sorting, token.last_record), token.offset


def reserved_fields(resource: UserResource) -> anchors.Reserved:
    """Return the names of the fields that every record has."""
    return anchors.Reserved(resource.model.id_field, resource.model.modified_field)


def _rules_from_anchors(
    resource: UserResource, sorting: list[Sort], found: anchors.Anchors
) -> list[PaginationRule]:
    """Look up the records that a token names instead of containing their values.

    Raises
    ------
    HTTPPreconditionFailed : none of them is in its former place, so that the start of the page is
        unknown.
    """
    ids = [anchor.record_id for anchor, _ in found.in_turn]
    # The filters of the resource itself also apply: they hide records that are not shared (D-49).
    wanted = [
        *resource._extract_filters({}),
        Filter(resource.model.id_field, ids, COMPARISON.IN),
    ]
    records, _ = resource.model.get_records(filters=wanted, include_deleted=True)
    position = anchors.find(found, sorting, records, reserved_fields(resource))
    if position is None:
        raise errors.http_error(
            HTTPPreconditionFailed(), errno=errors.ERRORS.MODIFIED_MEANWHILE, message=_LOST
        )
    rules = [pagination.rule_of(sorting, position.values)] if position.is_included else []
    return resource._build_pagination_rules(sorting, position.values, rules)


def _is_strict(resource: UserResource) -> bool:
    """Return whether settings refuse parameters that can only be mistakes (E-17.5)."""
    request = resource.request
    configured = request.registry.settings
    own = f"{utils.current_resource_name(request)}_strict_filters"
    strict: bool = settings.read(configured, own if own in configured else "strict_filters")
    return strict


def _is_known_path(resource: UserResource, path: str) -> bool:
    """Return whether a field, or a member of nested objects, may be in filters and sorting."""
    if resource.is_known_field(path):
        return True
    root, *members = path.split(".")
    if not members or not root or not all(members):
        return False
    preserves_unknown = resource.mapping.get_option("preserve_unknown") is True
    return preserves_unknown or resource.is_known_field(root)


def _bounds(resource: UserResource) -> Bounds:
    """Return the limits of the query string, which are read once for a request."""
    if resource._query_bounds is None:
        request = resource.request
        # Most requests have nothing to limit.
        resource._query_bounds = (
            Bounds.from_settings(request.registry.settings)
            if sent_parameters(request)
            else Bounds()
        )
    return resource._query_bounds
