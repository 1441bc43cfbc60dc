"""What a merge patch or a JSON patch in the body makes of a record (E-4)."""

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
    """Refuse what is no patch of its format, before anything is looked up (H-20.13).

    Raises
    ------
    HTTPBadRequest : its shape is wrong.
    """
    try:
        patch_formats.check_shape(_format(request), request.validated["patch"])
    except InvalidParameter as error:
        refusals.raise_invalid_parameter(request, error)


def planned(resource: UserResource, existing: Record) -> Plan:
    """Return what a merge patch or a JSON patch does to a record.

    Raises
    ------
    HTTPBadRequest : the patch does not fit the record, or takes a read-only member out.
    """
    request = resource.request
    try:
        patched = resource._patched(existing)
        patch_formats.check_depth(patched)
    except InvalidParameter as error:
        refusals.raise_invalid_parameter(request, error)
    record = resource._bare(existing)
    removed, changes = patch_formats.difference(record, patched)
    # What makes it a record of the collection cannot be taken out.
    reserved = (resource.model.id_field, resource.model.modified_field)
    removed = [name for name in removed if name not in reserved]
    for name in removed:
        if resource._schema.is_readonly(name):
            errors.raise_invalid(request, name=name, description=f"Cannot modify {name}")
    gone = frozenset(removed)
    base = {name: value for name, value in record.items() if name not in gone}
    return Plan(base, changes, removed)


def patched_record(request: Request, existing: Record) -> Record:
    """Return the record that the patch of the body makes of another (E-4.1)."""
    if _format(request) == patch_formats.MERGE_PATCH:
        return patch_formats.apply(patch_formats.MERGE_PATCH, existing, request.validated["patch"])
    return patched_document(request, {"data": existing})["data"]


def patched_document(request: Request, document: Record) -> dict[str, Record]:
    """Return what the patch makes of a document with the members of a response body.

    Raises
    ------
    InvalidParameter : the result has other members, or they are no objects.
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
