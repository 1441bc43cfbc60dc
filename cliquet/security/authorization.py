"""Authorization: the policy, the group finder, and the context of a route."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from pyramid.authorization import Authenticated
from pyramid.httpexceptions import HTTPNotFound
from pyramid.interfaces import IAuthorizationPolicy
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED
from webob.request import BaseRequest
from zope.interface import implementer

from cliquet import settings, utils
from cliquet.core.globs import WILDCARD
from cliquet.core.shortcuts import Shortcut
from cliquet.permission.known_permissions import KnownPermissions, checks_what_it_lists
from cliquet.security import object_uris
from cliquet.security.memberships import groupfinder
from cliquet.security.principals import with_prefixed_userid
from cliquet.security.shared_listing import SharedListing, finds_shared_records
from cliquet.security.undecided_put import UndecidedPut
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.types import BoundPermission, GetBoundPermissions

__all__ = [
    "DYNAMIC",
    "PRIVATE",
    "AuthorizationPolicy",
    "RouteFactory",
    "forget_granted",
    "groupfinder",
    "permission_of_view",
    "with_prefixed_userid",
]

PRIVATE = "private"
"""Permission of the endpoints that any authenticated user may use (P-25.1)."""

DYNAMIC = "dynamic"
"""Permission that the context computes from the request (P-25.1)."""


_GRANTED = "granted_permissions"
_NAMES_RESOURCE = utils.current_resource_name

# The resource is made twice, and the first time is before the check: code of an application in one
# of these must run only once, and for nobody who may not see the record.
_IS_MADE_AHEAD = Shortcut("_may_be_made_ahead", "__init__", "get_parent_id", "default_model")


def forget_granted(bound_data: dict[str, Any]) -> None:
    """Make the requests that share this data ask again for permissions that were granted.

    This is for a sub-request that was rolled back, or that may have changed permissions without the
    model of a resource.
    """
    bound_data.pop(_GRANTED, None)


def permission_of_view(service: Any, method: str) -> str:
    """Return the permission of the view for a method, because a viewset may have its own."""
    found = (given for defined, _, given in service.definitions if defined == method)
    return str(next(found, {"permission": DYNAMIC}).get("permission", DYNAMIC))


def write_implies_read(object_id: str, permission: str) -> list[BoundPermission]:
    """Return the pairs that grant a permission: itself, and also ``write`` for ``read`` (X-4)."""
    own = [(object_id, permission)]
    return [*own, (object_id, "write")] if permission == "read" else own


@implementer(IAuthorizationPolicy)
class AuthorizationPolicy:
    """Grants permissions from settings and from the permission backend (P-25.3).

    Attributes
    ----------
    get_bound_permissions : function of an object and a permission that returns the pairs of an
        object and a permission that grant it; one of them is enough (H-5.11). ``None`` means
        :func:`write_implies_read`. An application sets it on the instance, or defines it as a
        method of a subclass.
    """

    get_bound_permissions: GetBoundPermissions | None = None

    def permits(self, context: Any, principals: list[str], permission: str) -> bool:
        """Return whether a request with these principals has the permission.

        Parameters
        ----------
        context : a :class:`RouteFactory`; it is not used for ``PRIVATE``, and may be ``None`` then.
        """
        if permission == PRIVATE:
            return Authenticated in principals

        principals = with_prefixed_userid(principals, context.get_prefixed_userid())
        if permission == DYNAMIC:
            permission = context.required_permission
        if permission is None:
            return False
        if permission == "create":
            permission = f"{context.resource_name}:create"

        # A setting adds permissions, but never removes any: stored permissions are checked next
        #
        if context.allowed_principals and not set(context.allowed_principals).isdisjoint(
            principals
        ):
            return True
        bound = self.get_bound_permissions or write_implies_read
        if context.check_permission(permission, principals, get_bound_permissions=bound):
            return True
        if context.on_collection and "create" not in permission:
            # Some records of the collection may be shared with the user.
            return finds_shared_records(context, permission, principals, bound)
        return False

    def principals_allowed_by_permission(self, context: Any, permission: str) -> list[str]:
        """Raise an error: this part of the interface of Pyramid is not supported (P-25.5)."""
        raise NotImplementedError


class RouteFactory(SharedListing, UndecidedPut):
    """The context of a route: the permission that a request needs, and the object (P-25.6).

    It is the ``factory`` of services and the root factory. If a service is not a resource, the
    attributes keep their defaults, and a subclass sets them.

    Attributes
    ----------
    resource_name : name of the resource.
    on_collection : whether the URL is that of a collection.
    required_permission : ``read``, ``write`` or ``create``; a PUT finds it out when somebody asks.
    allowed_principals : principals that have that permission by settings.
    permission_object_id : URI of the object of this permission.
    current_record : the record that a PUT will replace, or that was read together with its ACEs.
    has_asked : whether the answer came from the backend, and not from the ACEs that it lists.
    known_permissions : answers of the backend so far, which the resource of the request uses too.
    """

    resource_name: str | None = None
    on_collection: bool = False
    has_asked: bool = False
    get_prefixed_userid: Callable[[], str | None]
    # The service of the resource, if it is one.
    _service: Any = None

    method_permissions: ClassVar[dict[str, str]] = {
        "head": "read",
        "get": "read",
        "post": "create",
        "delete": "write",
        "patch": "write",
    }

    def __init__(self, request: Request) -> None:
        self._request = request
        bound_data = getattr(request, "bound_data", None)
        self.known_permissions = KnownPermissions(
            bound_data.setdefault(_GRANTED, set()) if isinstance(bound_data, dict) else None
        )
        self.get_prefixed_userid = lambda: request.prefixed_userid
        service = utils.current_service(request)
        if not hasattr(service, "viewset") or not hasattr(service, "resource"):
            return
        name = getattr(service, "resource_name", None)
        # A look-up in the class itself would call the function of the attribute.
        attribute = vars(type(request)).get("current_resource_name")
        if isinstance(name, str) and getattr(attribute, "function", None) is _NAMES_RESOURCE:
            # This is what the attribute would find out, by another search for the service.
            request.__dict__.setdefault("current_resource_name", name)
        self.resource_name = request.current_resource_name
        self.on_collection = getattr(service, "type", None) == "collection"
        self._service = service
        # The property of WebOb reads the same. The tests of applications have mocks.
        is_real = isinstance(request, BaseRequest)
        method = request.environ.get("REQUEST_METHOD", "GET") if is_real else request.method
        method = method.lower()
        if method == "put":
            self.is_undecided = True
            # The attributes of a subclass may depend on those that are not known yet.
            if type(self) is not RouteFactory or not self._may_wait():
                self.decide()
        else:
            # Each use of the attribute would ask again whether it is known.
            self.__dict__.setdefault("current_record", None)
            self._set_requirement(self.method_permissions.get(method))
        backend = getattr(request.registry, "permission", None)
        if (
            self.on_collection
            and backend is not None
            and utils.is_storable_key(self.permission_object_id or "")
        ):
            self._search_with(backend)

    def _required_by_put(self, request: Request) -> str:
        if self.on_collection:
            # There is no such method: the answer will be 405, and no record needs to be read.
            return "create"
        # The method creates or replaces a record, depending on whether it exists.
        try:
            resource = self._service.resource(request=request, context=self)
            record = resource.model.get_record(resource.record_id)
        except (RecordNotFoundError, HTTPNotFound):
            # The resource will raise this error again, but only for users who may know of it
            # (H-5.17).
            return "create"
        self.current_record = record
        field = getattr(resource.model, "permissions_field", None)
        aces = record.get(field) if isinstance(record, dict) else None
        if aces is not None:
            object_id = self.get_permission_object_id(request, resource.record_id)
            timestamp = record[resource.model.modified_field]
            self.known_permissions.remember(object_id, aces, timestamp)
        return "write"

    def _read_ahead(self) -> None:
        """Read the record of a GET with the ACEs by which the request is judged, if that is free.

        Nothing of the record is shown unless the request turns out to be permitted (H-5.17).
        """
        request, cls = self._request, self._service.resource
        object_id = self.permission_object_id
        # Within a process, a statement costs no more than to make the resource twice.
        is_worth_it = getattr(request.registry.storage, "makes_round_trips", False)
        if object_id is None or not is_worth_it or not _IS_MADE_AHEAD.is_open_in(cls):
            return
        try:
            resource = cls(request=request, context=self)
        except HTTPNotFound:
            # The resource will raise this error again, for users who may know of it.
            return
        self.current_record = resource.model.read_ahead(resource.record_id, object_id)

    def _set_requirement(self, permission: str | None) -> None:
        """Require a permission on the object to which it belongs."""
        request = self._request
        self.required_permission = permission
        if permission == "create" and not self.on_collection:
            path = self._service.collection_path
            self.permission_object_id = object_uris.of_collection(request, path)
        else:
            self.permission_object_id = self.get_permission_object_id(request)
            self._shown_object_id = None if self.on_collection else self.permission_object_id
        self.allowed_principals = self._principals_of_settings(permission)

    def _principals_of_settings(self, permission: str | None) -> list[str]:
        configured = self._request.registry.settings
        if not isinstance(self.resource_name, str):
            # The service is a mock of a test, for which there are no settings (P-31.1).
            return []
        named = settings.read(configured, f"{self.resource_name}_{permission}_principals")
        if permission != "read":
            return list(named)
        # A user who may write may also read, here too.
        return [*named, *settings.read(configured, f"{self.resource_name}_write_principals")]

    def require(self, permission: str) -> bool:
        """Check the request again, with the data that were read under the lock (D-62).

        Returns
        -------
        Whether the request has the permission.
        """
        if self._service is None:
            # Code of an application has made this context, and has checked the request itself
            # (P-25.10).
            return True
        former, known = self.required_permission, self.known_permissions
        self._set_requirement(permission)
        is_permitted = known.ask_again(self._is_permitted, forgotten=self.permission_object_id)
        if not is_permitted:
            # An operation that somebody has disturbed runs again, and has to ask again.
            self._set_requirement(former)
        return is_permitted

    def judge_again(self, object_id: str, aces: dict[str, set[str]]) -> bool:
        """Check the request again if a record has other ACEs under the lock than before (D-62)."""
        return self.known_permissions.judge_again(object_id, aces, self._is_permitted)

    def judge_list_again(self) -> bool:
        """Find the shared records of a list again, if their ids were transferred (D-62)."""
        return self._service is None or self._search_again(self._is_permitted)

    def judge_list_for_groups(self) -> bool:
        """Find the shared records of a list again, for the groups that the user has by now."""
        return self._service is None or self._search_as_from_now(self._is_permitted)

    def _is_permitted(self) -> bool:
        required = permission_of_view(self._service, self._request.method)
        return required == NO_PERMISSION_REQUIRED or bool(
            self._request.has_permission(required, self)
        )

    def permits_on(self, record_id: str, permission: str) -> bool:
        """Return whether the request now has a permission on one record of the resource."""
        request = self._request
        principals = with_prefixed_userid(request.effective_principals, self.get_prefixed_userid())
        if not set(self._principals_of_settings(permission)).isdisjoint(principals):
            return True
        policy = request.registry.queryUtility(IAuthorizationPolicy)
        bound = getattr(policy, "get_bound_permissions", None) or write_implies_read
        object_id = self._record_object_id(record_id)
        # It may be another record than the one that was checked before.
        self.known_permissions.forget(object_id)
        return self._check(object_id, permission, principals, bound)

    def _record_object_id(self, record_id: str) -> str:
        request = self._request
        if self.on_collection or record_id == request.matchdict.get("id"):
            return self.get_permission_object_id(request, record_id)
        # Another record is in the way, so that its URI is not the requested one (D-49).
        return object_uris.of_record(request, request.matched_route.name, record_id)

    def get_permission_object_id(self, request: Request, record_id: str | None = None) -> str:
        """Return the URI of the requested object, or of a record of the requested collection.

        It is the path without the version prefix and without escapes (P-25.8).

        Parameters
        ----------
        record_id : ``*`` for a pattern of the URIs of all records of the collection.
        """
        if self.on_collection and record_id is not None:
            # The route of records has their path, whatever the path of the collection is.
            route_name = f"{request.matched_route.name.removesuffix('-collection')}-record"
            if record_id == WILDCARD:
                return object_uris.of_records(request, route_name)
            return object_uris.of_record(request, route_name, record_id)
        return object_uris.of_request(request)

    def check_permission(
        self,
        permission: str,
        principals: Iterable[str],
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> bool:
        """Return whether one of the principals has the permission on the required object."""
        if self.permission_object_id is None:
            return False
        return self._check(self.permission_object_id, permission, principals, get_bound_permissions)

    def _reads_shown(self, object_id: str) -> bool:
        """Return whether the request only reads the record with this URI."""
        return (
            object_id == self._shown_object_id
            and self.required_permission == "read"
            and self.current_record is None
        )

    def _check(
        self,
        object_id: str,
        permission: str,
        principals: Iterable[str],
        get_bound_permissions: GetBoundPermissions | None,
    ) -> bool:
        backend = getattr(self._request.registry, "permission", None)
        if backend is None or not utils.is_storable_key(object_id):
            # Nobody has any permission on it.
            return False
        if checks_what_it_lists(backend):
            return self.known_permissions.check(
                backend,
                object_id,
                permission,
                list(principals),
                get_bound_permissions,
                lists_object=object_id == self._shown_object_id,
                read_ahead=self._read_ahead if self._reads_shown(object_id) else None,
            )
        self.has_asked = True
        granted: bool = backend.check_permission(
            object_id, permission, principals, get_bound_permissions=get_bound_permissions
        )
        return granted
