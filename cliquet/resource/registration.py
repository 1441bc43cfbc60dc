"""The registration of a resource class, which makes its two services."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import venusian
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import PHASE2_CONFIG

from cliquet.core.mistakes import Place
from cliquet.core.source_modules import tell_module_of
from cliquet.resource import checks, location
from cliquet.resource.checks import sharding
from cliquet.resource.keywords import Registration, ViewSetKeywords
from cliquet.resource.plain_schemas import as_resource_schema
from cliquet.settings import load_settings_of_resource
from cliquet.web.requests import PATCH_CONTENT_TYPES

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    # Type checkers know it without the package.
    from typing_extensions import Unpack

__all__ = ["register", "register_resource"]

MAX_TOGETHER: Final = 3
"""Number of fields in one index: an entry of PostgreSQL has no room for the keys of more."""

ResourceClass = TypeVar("ResourceClass", bound=type)


def register(
    depth: int = 1, **kwargs: Unpack[Registration]
) -> Callable[[ResourceClass], ResourceClass]:
    """Decorate a resource class, so that it is served when its module is scanned (P-8.1).

    Parameters
    ----------
    depth : number of frames between the call and the module to scan.
    kwargs : ``viewset``, or attributes of the viewset of the class, such as ``name``,
        ``collection_path``, ``record_methods`` or ``shards``.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : a keyword is unknown, or the parentheses are missing.
    """
    checks.check_parentheses(depth)

    def wrapped(resource_cls: ResourceClass) -> ResourceClass:
        register_resource(resource_cls, depth=depth + 1, **kwargs)
        return resource_cls

    return wrapped


def register_resource(
    resource_cls: Any,
    settings: Any = None,
    viewset: Any = None,
    depth: int = 1,
    **kwargs: Unpack[ViewSetKeywords],
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
    pyramid.exceptions.ConfigurationError : a keyword is unknown; or, at the scan, there is no
        storage backend (S-11.4), or something in the class or its registration is a mistake
        (E-8.3).
    """
    checks.check_class(resource_cls, viewset)
    if viewset is None:
        viewset = resource_cls.default_viewset(**kwargs)
    else:
        if kwargs:
            # It is a copy, because another registration may share the object.
            viewset = copy.copy(viewset)
        viewset.update(**kwargs)
    checks.check_keywords(resource_cls, viewset)
    resource_name = viewset.get_name(resource_cls)

    def register_service(
        endpoint_type: str, configurator: Configurator, paths: Mapping[str, str]
    ) -> Any:
        # Applications replace the class in the package, so that it is looked up there (P-35.19).
        service_class = sys.modules["cliquet.resource"].Service
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
            raise ConfigurationError(
                "Mandatory storage backend is missing from configuration. "
                f"{Place(resource_cls)}: {_what_sets_storage(config)}"
            )
        if not hasattr(config.registry, "permission") and issubclass(
            resource_cls, sys.modules["cliquet.resource"].ShareableResource
        ):
            raise ConfigurationError(
                "Mandatory permission backend is missing from configuration, "
                f"for the shareable resource {resource_name}."
            )
        load_settings_of_resource(config.registry, resource_name)
        mapping = as_resource_schema(resource_cls.mapping)
        if mapping is not resource_cls.mapping:
            resource_cls.mapping = mapping
        paths = {kind: _path(resource_cls, viewset, kind) for kind in ("collection", "record")}
        doubts = checks.check_resource(resource_cls, viewset, paths, config.registry.settings)
        known = vars(config.registry)
        known.setdefault("resource_doubts", []).extend(doubts)
        known.setdefault("resource_names", set()).add(resource_name)
        _reserve(config, resource_cls, resource_name, paths)
        # This is also the default collection of an instance.
        config.registry.storage.declare_indexes(
            resource_cls.__name__.lower(),
            _indexed_fields(resource_cls),
            # A storage of another origin may not know them.
            **_gin_indexed_fields(resource_cls),
        )
        number = sharding.number_of(resource_cls, viewset, config.registry.settings)
        sharding.declare(config.registry, resource_cls, number)
        services = [register_service(kind, config, paths) for kind in ("collection", "record")]
        location.describe(*services)
        for service in services:
            config.add_cornice_service(service)

    tell_module_of(sys._getframe(depth))
    # Only the module is kept. The whole result contains the variables of the caller, such as a
    # configurator and its application, and the class would keep them alive.
    module = venusian.attach(resource_cls, callback, category="pyramid", depth=depth).module
    return callback


def _what_sets_storage(config: Configurator) -> str:
    if not hasattr(config.registry, "initialized_at"):
        return "cliquet.initialize() comes before config.scan()."
    return (
        "the setting storage_backend names it, such as cliquet.storage.sqlite, and the step "
        "cliquet.initialization.setup_storage loads it."
    )


def _path(resource_cls: type, viewset: Any, kind: str) -> str:
    """Return the pattern of a route from its template (P-8.4)."""
    template = getattr(viewset, f"{kind}_path")
    resource_name = viewset.get_name(resource_cls)
    try:
        path: str = template.format(resource_name=resource_name)
    except (AttributeError, LookupError, ValueError) as error:
        raise ConfigurationError(
            f"{Place(resource_cls)}: '{kind}_path' of the resource '{resource_name}' is "
            f"{template!r}: variables of the URL are written with doubled braces, as in "
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


def _gin_indexed_fields(resource_cls: Any) -> dict[str, Sequence[str]]:
    """Return the keyword for the fields that the schema of a resource wants in a GIN index, if any.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : one of them is no name.
    """
    fields = list(resource_cls.mapping.get_option("gin_indexed_fields"))
    for given in fields:
        if not isinstance(given, str) or not given:
            raise ConfigurationError(
                f"gin_indexed_fields of {resource_cls.__name__} has {given!r}; allowed: names."
            )
    return {"gin_fields": fields} if fields else {}


def _reserve(
    config: Configurator, resource_cls: type, resource_name: str, paths: Mapping[str, str]
) -> None:
    """Let the report of a conflict name both classes, if two have one name or one path.

    As with all parts of a Pyramid application, one of a plug-in gives way to one of the application
    that includes it.
    """
    # All reports about the routes and the views of the resource name its class too.
    config.info = Place(resource_cls)
    claims = [f"two resources have the name {resource_name!r}, which register(name=...) changes"]
    for path in paths.values():
        # The names of the variables make no difference.
        pattern = re.sub(r"\{\w+", "{", f"/{config.route_prefix or ''}{path}")
        claims.append(f"two resources have the path {pattern!r}")
    # Pyramid reports the conflicts of one order alone: two resources that have all in common are
    # told once, by the first of these claims, and neither by the others nor by their routes.
    for order, claim in enumerate(claims, PHASE2_CONFIG - 1 - len(claims)):
        config.action(claim, order=order)
