"""What a request that was refused with 403 would have needed, for the log and for the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pyramid.request import Request

from cliquet import utils
from cliquet.security import object_uris
from cliquet.security.authorization import DYNAMIC, PRIVATE, RouteFactory

__all__ = ["Requirement", "in_words", "requirements"]


class Requirement(NamedTuple):
    """A permission on an object.

    Attributes
    ----------
    permission : name, as permissions of objects have it.
    object_id : URI of the object.
    """

    permission: str
    object_id: str

    def __str__(self) -> str:
        return f"{self.permission} on {self.object_id}"


def requirements(request: Request) -> list[Requirement]:
    """Return the permissions of which one would have been enough.

    There is none if code of the application has refused the request itself, or if it has another
    context than that of the library.
    """
    context = _context(request)
    refusal = getattr(request, "exception", None)
    # The error of an application has no result of a check.
    if getattr(refusal, "result", None) is None or not isinstance(context, RouteFactory):
        return []
    service = utils.current_service(request)
    permission = _of_view(service, request.method)
    if permission == PRIVATE:
        return []
    if permission == DYNAMIC and request.method == "PUT" and hasattr(service, "collection_path"):
        # Both are told, whichever it is: the difference would tell whether the record exists
        # (H-5.17).
        collection = object_uris.of_collection(request, service.collection_path)
        return [
            Requirement("write", context.get_permission_object_id(request)),
            Requirement(f"{context.resource_name}:create", collection),
        ]
    name = context.required_permission if permission == DYNAMIC else permission
    object_id = context.permission_object_id
    if not isinstance(name, str) or not isinstance(object_id, str):
        return []
    return [Requirement(f"{context.resource_name}:create" if name == "create" else name, object_id)]


def in_words(request: Request, needed: Sequence[Requirement]) -> str:
    """Return a sentence for clients."""
    each = str(needed[0])
    if len(needed) > 1:
        # A PUT that may create is refused for a record that exists, and the reverse.
        each = f"{needed[0]} if there is a record, or {needed[1]} if there is none"
    is_list = request.method in ("GET", "HEAD", "DELETE") and _context(request).on_collection
    return f"It needs the permission {each}{', or on one of its records' if is_list else ''}."


def _context(request: Request) -> Any:
    # Pyramid forgets the context of a request in a batch before its error is answered. The root of
    # the route is the same object.
    return getattr(request, "context", None) or getattr(request, "root", None)


def _of_view(service: Any, method: str) -> Any:
    """Return the permission of the view that a request was meant for."""
    for defined, _, arguments in getattr(service, "definitions", ()):
        if defined == method:
            return arguments.get("permission", DYNAMIC)
    return DYNAMIC
