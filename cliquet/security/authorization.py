"""What a user may do: the authorization policy, the group finder, and the context of a route."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from pyramid.authorization import Authenticated
from pyramid.httpexceptions import HTTPNotFound
from pyramid.interfaces import IAuthorizationPolicy
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED
from zope.interface import implementer

from cliquet import settings, utils
from cliquet.core.globs import WILDCARD
from cliquet.permission.known_permissions import KnownPermissions, checks_what_it_lists
from cliquet.security import object_uris
from cliquet.security.principals import with_prefixed_userid
from cliquet.security.shared_listing import SharedListing
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.types import BoundPermission, GetBoundPermissions, Record

__all__ = [
    "DYNAMIC",
    "PRIVATE",
    "AuthorizationPolicy",
    "RouteFactory",
    "forget_granted",
    "groupfinder",
    "with_prefixed_userid",
]

PRIVATE = "private"
"""Permission of the endpoints that any authenticated user may use (P-25.1)."""

DYNAMIC = "dynamic"
"""Permission that the context works out from the request (P-25.1)."""


def groupfinder(userid: str, request: Request) -> list[str]:
    """Return the groups that the permission backend knows of a user (P-25.2).

    They are looked up once per user and top-level request, batch included (H-4.13).

    Parameters
    ----------
    userid : id given by the authentication policy; the prefixed one is used when it is known.
    """
    backend = getattr(request.registry, "permission", None)
    if backend is None:
        return []
    user = str(request.prefixed_userid or userid)
    key = f"{user}_principals"
    if key not in request.bound_data:
        request.bound_data[key] = backend.user_principals(user)
    return list(request.bound_data[key])


_GRANTED = "granted_permissions"


def forget_granted(bound_data: dict[str, Any]) -> None:
    """Have the requests that share this data ask again for the permissions that they were granted.

    For a sub-request that was rolled back, or that may have changed permissions otherwise than
    through the model of a resource.
    """
    bound_data.pop(_GRANTED, None)


def write_implies_read(object_id: str, permission: str) -> list[BoundPermission]:
    """Return what grants a permission by default: itself, and ``write`` for ``read`` (X-4)."""
    bound = [(object_id, permission)]
    if permission == "read":
        bound.append((object_id, "write"))
    return bound


@implementer(IAuthorizationPolicy)
class AuthorizationPolicy:
    """Grants what settings and stored permissions say (P-25.3).

    Attributes
    ----------
    get_bound_permissions : what grants a permission on an object, given both: pairs of an object
        and a permission, any of which is sufficient (H-5.11). ``None`` means
        :func:`write_implies_read`. Set by an application on the instance, or defined as a method of
        a subclass.
    """

    get_bound_permissions: GetBoundPermissions | None = None

    def permits(self, context: Any, principals: list[str], permission: str) -> bool:
        """Whether a request with these principals has the permission.

        Parameters
        ----------
        context : a :class:`RouteFactory`; not looked at for ``PRIVATE``, where it may be ``None``.
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

        # A setting widens access, it never narrows it: stored permissions come next.
        if context.allowed_principals and not set(context.allowed_principals).isdisjoint(
            principals
        ):
            return True
        bound = self.get_bound_permissions or write_implies_read
        if context.check_permission(permission, principals, get_bound_permissions=bound):
            return True
        if context.on_collection and "create" not in permission:
            # Some of its records may be shared with the user (H-5.12).
            return _finds_shared_records(context, permission, principals, bound)
        return False

    def principals_allowed_by_permission(self, context: Any, permission: str) -> list[str]:
        """Part of Pyramid's interface; not supported (P-25.5)."""
        raise NotImplementedError


def _finds_shared_records(
    context: Any, permission: str, principals: list[str], bound: GetBoundPermissions
) -> bool:
    is_found = None
    if isinstance(context, SharedListing):
        is_found = context.select_shared_records(permission, principals, bound)
    if is_found is None:
        return bool(context.fetch_shared_records(permission, principals, bound))
    return is_found


class RouteFactory(SharedListing):
    """The context of a route: which permission a request needs, and on what (P-25.6).

    Serves as ``factory`` of services and as root factory; on what is no resource, the attributes
    keep their defaults, and a subclass sets them by hand.

    Attributes
    ----------
    resource_name : name of the resource.
    on_collection : whether the URL is the one of a collection.
    required_permission : ``read``, ``write`` or ``create``, by the method.
    allowed_principals : principals to whom settings grant that permission.
    permission_object_id : URI of the object that the permission is on.
    current_record : the record that a PUT is about to replace.
    has_asked : whether it was the backend that judged, otherwise than by the ACEs that it lists.
    known_permissions : what the backend said already, for the request's resource to use.
    """

    resource_name: str | None = None
    on_collection: bool = False
    required_permission: str | None = None
    allowed_principals: list[str] | None = None
    permission_object_id: str | None = None
    current_record: Record | None = None
    has_asked: bool = False
    get_prefixed_userid: Callable[[], str | None]
    # That of the resource, if it is one.
    _service: Any = None
    # The object whose permissions the response shows: the record that the URL names.
    _shown_object_id: str | None = None

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
        self.resource_name = request.current_resource_name
        self.on_collection = getattr(service, "type", None) == "collection"
        self._service = service
        self._set_requirement(self._required_permission(request))
        backend = getattr(request.registry, "permission", None)
        if (
            self.on_collection
            and backend is not None
            and utils.is_storable_key(self.permission_object_id or "")
        ):
            self._search_with(backend, self.get_permission_object_id(request, WILDCARD))

    def _required_permission(self, request: Request) -> str | None:
        if request.method.lower() != "put":
            return self.method_permissions.get(request.method.lower())
        if self.on_collection:
            # There is no such method: the answer is 405, and no record to look up.
            return "create"
        # Whether it creates or replaces depends on what is there (P-25.7).
        try:
            resource = self._service.resource(request=request, context=self)
            record = resource.model.get_record(resource.record_id)
        except (RecordNotFoundError, HTTPNotFound):
            # The resource says so again, to whom may know (H-5.17).
            return "create"
        self.current_record = record
        field = getattr(resource.model, "permissions_field", None)
        aces = record.get(field) if isinstance(record, dict) else None
        if aces is not None:
            object_id = self.get_permission_object_id(request, resource.record_id)
            timestamp = record[resource.model.modified_field]
            self.known_permissions.remember(object_id, aces, timestamp)
        return "write"

    def _set_requirement(self, permission: str | None) -> None:
        """Require a permission on the object that it is about."""
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
            # A stand-in for a service, of which no setting speaks (P-31.1).
            return []
        # Whoever may write may read, here too.
        permissions = ("read", "write") if permission == "read" else (permission,)
        return [
            principal
            for name in permissions
            for principal in settings.read(configured, f"{self.resource_name}_{name}_principals")
        ]

    def require(self, permission: str) -> bool:
        """Judge the request again, on what was found once nobody else could write (D-62).

        Returns
        -------
        Whether the request has the permission.
        """
        if self._service is None:
            # A context made by hand: whoever made it has judged (P-25.10, P-35.13).
            return True
        self._set_requirement(permission)
        if self.permission_object_id is not None:
            self.known_permissions.forget(self.permission_object_id)
        return self._is_permitted()

    def judge_again(self, object_id: str, aces: dict[str, set[str]]) -> bool:
        """Judge the request again if a record had other ACEs, once locked, than before (D-62)."""
        return self.known_permissions.judge_again(object_id, aces, self._is_permitted)

    def judge_list_again(self) -> bool:
        """Find again which records a list is limited to, if their ids travel (D-62, H-5.12)."""
        former = self._shared_ids
        if self._service is None or not former:
            return True
        self._shared_ids = []
        is_permitted = self._is_permitted()
        # Never without limit: what permits it now may not be what is shared.
        if self.selected_ids is None:
            self._shared_ids = self._shared_ids or former
        return is_permitted

    def _is_permitted(self) -> bool:
        required = self._permission_of_view()
        return required == NO_PERMISSION_REQUIRED or bool(
            self._request.has_permission(required, self)
        )

    def _permission_of_view(self) -> str:
        """Return the permission that the view was registered with: a viewset may give its own."""
        for method, _, arguments in self._service.definitions:
            if method == self._request.method:
                return str(arguments.get("permission", DYNAMIC))
        return DYNAMIC

    def permits_on(self, record_id: str, permission: str) -> bool:
        """Whether the request has a permission on one record of the resource, as it is now."""
        request = self._request
        principals = with_prefixed_userid(request.effective_principals, self.get_prefixed_userid())
        if not set(self._principals_of_settings(permission)).isdisjoint(principals):
            return True
        policy = request.registry.queryUtility(IAuthorizationPolicy)
        bound = getattr(policy, "get_bound_permissions", None) or write_implies_read
        object_id = self._record_object_id(record_id)
        # It may be another record than the one that was judged before (D-62).
        self.known_permissions.forget(object_id)
        return self._check(object_id, permission, principals, bound)

    def _record_object_id(self, record_id: str) -> str:
        request = self._request
        if self.on_collection or record_id == request.matchdict.get("id"):
            return self.get_permission_object_id(request, record_id)
        # A record stands in the way of another: its URI is not the requested one (D-49).
        return object_uris.of_record(request, request.matched_route.name, record_id)

    def get_permission_object_id(self, request: Request, record_id: str | None = None) -> str:
        """Return the URI of the requested object, or of a record of the requested collection.

        It is the path without version prefix, and without escapes (P-25.8, P-25.9).

        Parameters
        ----------
        record_id : ``*`` for a pattern of the URIs of all records of the collection.
        """
        if self.on_collection and record_id is not None:
            # The sibling route knows where records live, whatever the collection's own path.
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
        """Whether one of the principals has the permission on the required object."""
        if self.permission_object_id is None:
            return False
        return self._check(self.permission_object_id, permission, principals, get_bound_permissions)

    def _check(
        self,
        object_id: str,
        permission: str,
        principals: Iterable[str],
        get_bound_permissions: GetBoundPermissions | None,
    ) -> bool:
        backend = getattr(self._request.registry, "permission", None)
        if backend is None or not utils.is_storable_key(object_id):
            # Nobody has been given anything on it (P-34.24).
            return False
        if checks_what_it_lists(backend):
            return self.known_permissions.check(
                backend,
                object_id,
                permission,
                list(principals),
                get_bound_permissions,
                lists_object=object_id == self._shown_object_id,
            )
        self.has_asked = True
        granted: bool = backend.check_permission(
            object_id, permission, principals, get_bound_permissions=get_bound_permissions
        )
        return granted
