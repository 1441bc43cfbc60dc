"""The application of a merge patch or a JSON Patch in the body to a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.request import Request

from cliquet import errors
from cliquet.resource import patch_formats, refusals
from cliquet.resource.parameters import InvalidParameter
from cliquet.resource.patch import Plan
from cliquet.types import Record

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["check_shape", "patched_document", "patched_record", "planned"]


def check_shape(request: Request) -> None:
    """Refuse a body that is not a patch of its format, before any record is read (H-20.13).

    Raises
    ------
    HTTPBadRequest : the patch has a wrong form.
    """
    try:
        patch_formats.check_shape(_format(request), request.validated["patch"])
    except InvalidParameter as error:
        refusals.raise_invalid_parameter(request, error)


def planned(resource: UserResource, existing: Record) -> Plan:
    """Return the effect of a merge patch or a JSON Patch on a record.

    Raises
    ------
    HTTPBadRequest : the patch does not fit the record, or removes a read-only member.
    """
    request = resource.request
    try:
        patched = resource._patched(existing)
        patch_formats.check_depth(patched)
    except InvalidParameter as error:
        refusals.raise_invalid_parameter(request, error)
    record = resource._bare(existing)
    removed, changes = patch_formats.difference(record, patched)
    # The id and the timestamp cannot be removed from a record.
    reserved = (resource.model.id_field, resource.model.modified_field)
    removed = [name for name in removed if name not in reserved]
    for name in removed:
        if resource._schema.is_readonly(name):
            errors.raise_invalid(request, name=name, description=f"Cannot modify {name}")
    gone = frozenset(removed)
    base = {name: value for name, value in record.items() if name not in gone}
    return Plan(base, changes, removed)


def patched_record(request: Request, existing: Record) -> Record:
    """Return the record after the patch of the body."""
    if _format(request) == patch_formats.MERGE_PATCH:
        return patch_formats.apply(patch_formats.MERGE_PATCH, existing, request.validated["patch"])
    return patched_document(request, {"data": existing})["data"]


def patched_document(request: Request, document: Record) -> dict[str, Record]:
    """Return a document, with the members of a response body, after the patch.

    Raises
    ------
    InvalidParameter : the result has other members, or a member is not an object.
    """
    patched = patch_formats.apply(_format(request), document, request.validated["patch"])
    for name in patched:
        if name not in document:
            raise InvalidParameter("body", name, f"{name} is not allowed")
    for name in document:
        if not isinstance(patched.get(name), dict):
            raise InvalidParameter("body", name, f"{name} is not an object after the patch")
    return patched


def _format(request: Request) -> str:
    content_type: str = request.content_type.lower()
    return content_type
