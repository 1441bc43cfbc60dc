"""The registration of a resource class, which makes its two services."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import venusian
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from cliquet.web.requests import PATCH_CONTENT_TYPES

__all__ = ["register", "register_resource"]

MAX_TOGETHER: Final = 3
"""Number of fields in one index: an entry of PostgreSQL has no room for the keys of more."""

ResourceClass = TypeVar("ResourceClass", bound=type)


def register(depth: int = 1, **kwargs: Any) -> Callable[[ResourceClass], ResourceClass]:
    """Decorate a resource class, so that it is served when its module is scanned (P-8.1).

    Parameters
    ----------
    depth : number of frames between the call and the module to scan.
    kwargs : ``viewset``, or attributes of the viewset of the class, such as ``name``,
        ``collection_path`` or ``record_methods``.
    """

    def wrapped(resource_cls: ResourceClass) -> ResourceClass:
        register_resource(resource_cls, depth=depth + 1, **kwargs)
        return resource_cls

    return wrapped


def register_resource(
    resource_cls: Any,
    settings: Any = None,
    viewset: Any = None,
    depth: int = 1,
    **kwargs: Any,
) -> Callable[..., None]:
    """Serve a resource class when its module is scanned (P-8.2).

    Parameters
    ----------
    settings : ignored, but a part of the published signature.
    viewset : is used instead of the ``default_viewset`` of the class.

    Returns
    -------
    The callback that the scan runs.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : at the scan, if there is no storage backend (S-11.4), or
        if a path is not a template.
    """
    if viewset is None:
        viewset = resource_cls.default_viewset(**kwargs)
    else:
        if kwargs:
            # It is a copy, because another registration may share the object.
            viewset = copy.copy(viewset)
        viewset.update(**kwargs)
    resource_name = viewset.get_name(resource_cls)

    def register_service(endpoint_type: str, configurator: Configurator) -> Any:
        # Applications replace the class in the package, so that it is looked up there (P-35.19).
        service_class = sys.modules["cliquet.resource"].Service
        paths = {kind: _path(viewset, kind, resource_name) for kind in ("collection", "record")}
        service = service_class(
            viewset.get_service_name(endpoint_type, resource_cls),
            paths[endpoint_type],
            depth=depth,
            **viewset.get_service_arguments(),
        )
        service.viewset = viewset
        service.resource = resource_cls
        service.resource_name = resource_name
        service.type = endpoint_type
        service.patch_content_types = PATCH_CONTENT_TYPES
        service.collection_path = paths["collection"]
        service.record_path = paths["record"]

        configured = configurator.registry.settings
        arguments = getattr(viewset, f"{endpoint_type}_arguments")
        for method in getattr(viewset, f"{endpoint_type}_methods"):
            if not viewset.is_endpoint_enabled(
                endpoint_type, resource_name, method.lower(), configured
            ):
                continue
            service.add_view(
                method,
                viewset.get_view(endpoint_type, method.lower()),
                klass=resource_cls,
                **arguments(resource_cls, method),
            )
        return service

    def callback(context: Any, name: str, ob: Any) -> None:
        config = context.config.with_package(module)
        if not hasattr(config.registry, "storage"):
            raise ConfigurationError("Mandatory storage backend is missing from configuration.")
        if not hasattr(config.registry, "permission") and issubclass(
            resource_cls, sys.modules["cliquet.resource"].ShareableResource
        ):
            raise ConfigurationError(
                "Mandatory permission backend is missing from configuration, "
                f"for the shareable resource {resource_name}."
            )
        # This is also the default collection of an instance.
        config.registry.storage.declare_indexes(
            resource_cls.__name__.lower(), _indexed_fields(resource_cls)
        )
        for endpoint_type in ("collection", "record"):
            config.add_cornice_service(register_service(endpoint_type, config))

    # Only the module is kept. The whole result contains the variables of the caller, such as a
    # configurator and its application, and the class would keep them alive.
    module = venusian.attach(resource_cls, callback, category="pyramid", depth=depth).module
    return callback


def _path(viewset: Any, kind: str, resource_name: str) -> str:
    """Return the pattern of a route from its template (P-8.4)."""
    template = getattr(viewset, f"{kind}_path")
    try:
        path: str = template.format(resource_name=resource_name)
    except (AttributeError, LookupError, ValueError) as error:
        raise ConfigurationError(
            f"'{kind}_path' of the resource '{resource_name}' is {template!r}: variables of the "
            "URL are written with doubled braces, as in "
            "'/forests/{{forest_id}}/{resource_name}s/{{id}}'."
        ) from error
    return path


def _indexed_fields(resource_cls: Any) -> list[str | tuple[str, ...]]:
    """Return the fields that the schema of a resource wants to be indexed.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : an index on several fields has too many of them, or
        something else than names.
    """
    mapping = resource_cls.mapping
    fields: list[str | tuple[str, ...]] = list(mapping.get_option("unique_fields"))
    for given in mapping.get_option("indexed_fields"):
        if isinstance(given, (tuple, list)):
            are_names = all(isinstance(name, str) and name for name in given)
            if not are_names or len(set(given)) < len(given) or not 1 <= len(given) <= MAX_TOGETHER:
                raise ConfigurationError(
                    f"indexed_fields of {resource_cls.__name__} has {given!r}: an index on several "
                    f"fields is a tuple of at most {MAX_TOGETHER} different names."
                )
            given = tuple(given)
        fields.append(given)
    return fields
