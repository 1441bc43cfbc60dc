"""From the object id of a permission to the record that it stands for, and back.

The answer comes from the application itself: its routes, their contexts and its resources are asked
with requests that no client has sent. Where the answer is not certain, there is none.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from pyramid.httpexceptions import HTTPNotFound
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request, apply_request_extensions

from cliquet import utils
from cliquet.monitoring import logs
from cliquet.security import object_uris
from cliquet.security.authorization import RouteFactory
from cliquet.storage.selection import CollectionKey

__all__ = ["Place", "SharedObjects", "SharedRecord"]

# These characters mark a variable of the URL in a parent id; no real parent id contains them.
_OPEN: Final = "\ue000"
_CLOSE: Final = "\ue001"
_MARK: Final = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_VARIABLE: Final = re.compile(r"\{(\w+)")


class SharedRecord(NamedTuple):
    """The place where a record of a shareable resource is stored, if it exists."""

    collection_id: str
    parent_id: str
    record_id: str
    id_field: str
    modified_field: str
    resource_name: str = ""

    @property
    def key(self) -> CollectionKey:
        """The collection of the record."""
        return CollectionKey(collection_id=self.collection_id, parent_id=self.parent_id)

    @property
    def names(self) -> dict[str, Any]:
        """The collection and the fields of its records, as keyword arguments for a storage."""
        return {
            "collection_id": self.collection_id,
            "parent_id": self.parent_id,
            "id_field": self.id_field,
            "modified_field": self.modified_field,
        }


class Place(enum.Enum):
    """The meanings of an object id that does not stand for a record."""

    COLLECTION = enum.auto()
    """The collection of a shareable resource, which always exists."""
    FOREIGN = enum.auto()
    """An object that no registered shareable resource serves, or of which this is not certain."""


class SharedObjects:
    """The objects of the shareable resources of an application.

    Parameters
    ----------
    registry : registry of the application, after its set-up.
    """

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self._find_route = registry.getUtility(IRoutesMapper)
        # Each service is registered under two names.
        services = {id(one): one for one in registry.cornice_services.values()}.values()
        self._services = [one for one in services if _is_shareable(one) and _kind(one) == "record"]
        self._per_user: dict[int, bool] = {}
        self._patterns: dict[int, re.Pattern[str] | None] = {}

    def record_of(self, object_id: str) -> SharedRecord | Place:
        """Return the record that an object id stands for, whether or not it exists."""
        request = self._request_for(object_id)
        service = None if request is None else utils.current_service(request)
        if request is None or not _is_shareable(service):
            return Place.FOREIGN
        if _kind(service) == "collection":
            return Place.COLLECTION
        if _kind(service) != "record" or self._is_per_user(service, request.matchdict):
            return Place.FOREIGN
        with logs.scope():
            return self._record(service, request, object_id)

    def path_maker(self, key: CollectionKey, record_id: str) -> Any:
        """Return a function that gives the object ids of the records of a collection.

        Parameters
        ----------
        record_id : id of any record of the collection.

        Returns
        -------
        A function of the id of a record; ``None`` if no shareable resource is known to serve the
        collection.
        """
        for service in self._services:
            variables = self._variables(service, key.parent_id)
            if variables is None:
                continue
            make: Callable[[str], str] = functools.partial(_path, service, variables)
            found = self.record_of(make(record_id))
            if isinstance(found, SharedRecord) and (found.key, found.record_id) == (key, record_id):
                return make
        return None

    def stores(self, collection_id: str) -> bool:
        """Return whether a shareable resource keeps its records under this name by default."""
        return any(_collection_id(service) == collection_id for service in self._services)

    # From the object id to the record

    def _request_for(self, object_id: str) -> Request | None:
        """Return a request for an object, with its route; ``None`` if no route leads there."""
        if not object_id.startswith("/"):
            return None
        request = self._blank()
        try:
            request.path_info = f"/{self._registry.route_prefix}{object_id}"
            found = self._find_route(request)
        except UnicodeError:
            return None
        if found["route"] is None:
            return None
        request.matchdict, request.matched_route = found["match"], found["route"]
        return request

    def _blank(self, matchdict: Mapping[str, str] | None = None) -> Request:
        request = Request.blank("/")
        request.registry = self._registry
        request.matchdict = matchdict
        apply_request_extensions(request)
        return request

    def _record(self, service: Any, request: Request, object_id: str) -> SharedRecord | Place:
        try:
            context = (request.matched_route.factory or RouteFactory)(request)
            request.context = context
            resource = service.resource(request=request, context=context)
            model = resource.model
            if model.get_permission_object_id(resource.record_id) != object_id:
                # The permissions of this object are those of another one.
                return Place.FOREIGN
            return SharedRecord(
                model.collection_id,
                str(model.parent_id),
                resource.record_id,
                model.id_field,
                model.modified_field,
                _resource_name(service),
            )
        except HTTPNotFound:
            # The parent of the record does not exist, but the record itself may.
            parent_id = self._parent_id(service, request)
        except Exception:
            # This code of the application may need something that only a real request has.
            return Place.FOREIGN
        if parent_id is None:
            return Place.FOREIGN
        model_class = service.resource.default_model
        return SharedRecord(
            _collection_id(service),
            parent_id,
            request.matchdict["id"],
            model_class.id_field,
            model_class.modified_field,
            _resource_name(service),
        )

    def _is_per_user(self, service: Any, matchdict: Mapping[str, str]) -> bool:
        """Return whether each user has their own records behind one URL that names no user."""
        known = self._per_user.get(id(service))
        if known is None:
            parents = set()
            for user in ("cliquet:first", "cliquet:second"):
                request = self._blank(matchdict)
                request.set_property(lambda _, user=user: user, name="prefixed_userid")
                parents.add(self._parent_id(service, request))
            known = self._per_user[id(service)] = len(parents) > 1 or None in parents
        return known

    def _parent_id(self, service: Any, request: Request) -> str | None:
        """Return the parent of the object of a request; ``None`` if the application gives none."""
        resource_cls = service.resource
        try:
            # A resource calls `get_parent_id` before its instance has any attribute (P-9.11), so it
            # needs no more here either.
            parent_id = resource_cls.__new__(resource_cls).get_parent_id(request)
        except Exception:
            # This too is code of the application.
            return None
        return str(parent_id) if isinstance(parent_id, str) else None

    # From the record to the object id

    def _variables(self, service: Any, parent_id: str) -> dict[str, str] | None:
        """Return the variables of the URL of a collection, if its parent tells them."""
        if id(service) not in self._patterns:
            self._patterns[id(service)] = self._pattern(service)
        pattern = self._patterns[id(service)]
        match = None if pattern is None else pattern.fullmatch(parent_id)
        return None if match is None else match.groupdict()

    def _pattern(self, service: Any) -> re.Pattern[str] | None:
        """Return a pattern that finds the variables of the URL in a parent, if it has them all."""
        names = [name for name in _VARIABLE.findall(_record_path(service)) if name != "id"]
        marked = {name: f"{_OPEN}{rank}{_CLOSE}" for rank, name in enumerate(names)}
        parent_id = self._parent_id(service, self._blank({**marked, "id": ""}))
        if parent_id is None or {int(rank) for rank in _MARK.findall(parent_id)} != set(
            range(len(names))
        ):
            return None
        parts, seen = _MARK.split(parent_id), set()
        text = re.escape(parts[0])
        for rank, literal in zip(parts[1::2], parts[2::2], strict=True):
            name = names[int(rank)]
            text += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)"
            text += re.escape(literal)
            seen.add(name)
        return re.compile(text, re.DOTALL)


def _is_shareable(service: Any) -> bool:
    resource_cls = getattr(service, "resource", None)
    return hasattr(service, "viewset") and hasattr(resource_cls, "permissions")


def _kind(service: Any) -> str | None:
    return getattr(service, "type", None)


def _resource_name(service: Any) -> str:
    return str(getattr(service, "resource_name", ""))


def _collection_id(service: Any) -> str:
    # This is the default name that an instance of the resource uses too.
    return str(service.resource.__name__.lower())


def _record_path(service: Any) -> str:
    return str(getattr(service, "record_path", service.path))


def _path(service: Any, variables: Mapping[str, str], record_id: str) -> str:
    return object_uris.filled(_record_path(service), {**variables, "id": record_id})
