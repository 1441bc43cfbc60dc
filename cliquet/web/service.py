"""The service class of the library, and the code that turns a service into routes and views.

A service is a URL with its methods. It differs from a plain service of Cornice: errors are the JSON
of
:mod:`cliquet.errors`, CORS follows the settings of the application that serves it, and content
negotiation comes before authentication.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import cornice
from cornice.pyramidhook import register_service_views
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMethodNotAllowed
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import errors, settings
from cliquet.core.source_modules import tell_module_of
from cliquet.web import answering, cors, endpoints, method_views, service_mistakes, validation

__all__ = ["Service", "includeme"]

# The first judges headers, and the second bodies.
_KNOWN_VALIDATORS = (cors.check_origin, validation.validate_schema)

_SIGNATURE = inspect.signature(lambda request: None)

View = TypeVar("View", bound=Callable[..., Any])
T = TypeVar("T")

# These arguments of a definition are for the service, and not for the view of Pyramid.
_SERVICE_ARGUMENTS = frozenset(
    {
        "filters",
        "validators",
        "schema",
        "klass",
        "error_handler",
        "deserializer",
        "accept",
        "content_type",
        "cors_headers",
        "cors_enabled",
        "cors_origins",
        "cors_credentials",
        "cors_max_age",
        "cors_expose_all_headers",
        "cors_policy",
    }
)


class Service(cornice.Service):  # type: ignore[misc]  # Cornice has no types
    """A URL and its methods, with JSON errors and CORS headers (P-7).

    It has the arguments and the decorators of the service of Cornice.
    """

    renderer = "json"
    # Media types of PATCH besides those of its definition; resources set them.
    patch_content_types: tuple[str, ...] = ()
    default_cors_headers = cors.DEFAULT_EXPOSED_HEADERS
    default_validators = (cors.check_origin, validation.validate_schema)

    def __init__(self, name: str, path: str | None = None, **kwargs: Any) -> None:
        self.cors_served = True
        self._own_origins = _as_tuple(kwargs.get("cors_origins"))
        # They are kept for each method that the service defines.
        self._origins_of: dict[str, tuple[str, ...]] = {}
        self._exposed: dict[str, tuple[str, ...]] = {}
        self._exposed_texts: dict[str, tuple[str, str]] = {}
        depth = kwargs.get("depth", 1)
        tell_module_of(sys._getframe(depth))
        # There is one more frame between the module that declares the service and venusian.
        kwargs["depth"] = depth + 1
        super().__init__(name, path, **kwargs)

    if TYPE_CHECKING:
        # Cornice defines these methods, but has no types.
        def get(self, **kwargs: Any) -> Callable[[View], View]: ...
        def post(self, **kwargs: Any) -> Callable[[View], View]: ...
        def put(self, **kwargs: Any) -> Callable[[View], View]: ...
        def patch(self, **kwargs: Any) -> Callable[[View], View]: ...
        def delete(self, **kwargs: Any) -> Callable[[View], View]: ...
        def options(self, **kwargs: Any) -> Callable[[View], View]: ...

    @classmethod
    def init_from_settings(cls, configured: Mapping[str, Any]) -> None:
        """Set the CORS attributes of the class (P-7.3).

        It is kept for applications that call it. The library itself reads the settings of the
        registry, because all the applications of the process share the class (D-47).
        """
        cls.cors_origins = settings.read(configured, "cors_origins")
        cls.cors_max_age = settings.read(configured, "cors_max_age_seconds")

    def default_error_handler(self, request: Request) -> Any:
        """Return the JSON error of a request that did not validate (P-7.4)."""
        return errors.json_error_handler(request)

    @property
    def cors_enabled(self) -> bool:
        """Whether Cornice adds CORS headers; never, because :mod:`cliquet.web.cors` does."""
        return False

    @cors_enabled.setter
    def cors_enabled(self, value: bool) -> None:
        self.cors_served = value

    def own_origins(self, method: str) -> tuple[str, ...]:
        """Return the origins that the author of the service gave for a method, if any."""
        origins = self._origins_of.get(method)
        if origins is None:
            given = (
                _as_tuple(arguments.get("cors_origins"))
                for defined, _, arguments in self.definitions
                if defined == method
            )
            origins = next(filter(None, given), self._own_origins)
            self._remember(self._origins_of, method, origins)
        return origins

    def own_max_age(self, method: str) -> int | None:
        """Return the lifetime of preflights, in seconds, that the author gave, if any."""
        for defined, _, arguments in self.definitions:
            if defined == method and arguments.get("cors_max_age") is not None:
                return int(arguments["cors_max_age"])
        return None

    def exposed_headers(self, method: str) -> tuple[str, ...]:
        """Return the headers that scripts may read in the responses to `method` (H-29.6)."""
        exposed = self._exposed.get(method)
        if exposed is None:
            found = self.cors_supported_headers_for(method) or self.default_cors_headers
            exposed = tuple(sorted(found))
            self._remember(self._exposed, method, exposed)
        return exposed

    def exposed_text(self, method: str, *, has_tag: bool) -> str:
        """Return them as the value of a header, for a response with or without ``ETag``."""
        texts = self._exposed_texts.get(method)
        if texts is None:
            exposed = self.exposed_headers(method)
            texts = (
                cors.exposed_text(exposed, has_tag=False),
                cors.exposed_text(exposed, has_tag=True),
            )
            self._remember(self._exposed_texts, method, texts)
        return texts[has_tag]

    def _remember(self, known: dict[str, T], method: str, value: T) -> None:
        # Methods that clients invent are not kept, because there is no limit of them.
        if method in self.defined_methods:
            known[method] = value


def _as_tuple(value: Any) -> tuple[str, ...]:
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def includeme(config: Configurator) -> None:
    """Add services to Pyramid."""
    config.add_directive("add_cornice_service", register_service)
    config.include("cliquet.web.endpoints")


def register_service(config: Configurator, service: Any) -> None:
    """Add the route and the views of a service (directive ``add_cornice_service``)."""
    service_mistakes.check_views(service)
    if isinstance(service, Service):
        service_mistakes.check_options(config, service, _SERVICE_ARGUMENTS)
    service_mistakes.claim_path(config, service)
    with service_mistakes.placed(config, service):
        _add_views(config, service)


def _add_views(config: Configurator, service: Any) -> None:
    if not isinstance(service, Service):
        register_service_views(config, service)
        return
    if service.cors_served and "OPTIONS" not in service.defined_methods:
        service.add_view(
            "OPTIONS",
            _preflight_view(service),
            permission=NO_PERMISSION_REQUIRED,
            schema=None,
        )
    methods = [method for method, _, _ in service.definitions]
    if len(set(methods)) < len(methods):
        # Cornice handles several views of one method that differ in media types. But it would call
        # validators with arguments that some do not accept.
        for _, _, arguments in service.definitions:
            arguments["validators"] = [_with_keywords(v) for v in arguments["validators"]]
        register_service_views(config, service)
        return

    # Reports name this place. Pyramid would look for the line of this call, for each view.
    place = {"_info": config.info}
    prefix = config.route_prefix or ""
    route_name = service.pyramid_route or service.name
    services = config.registry.cornice_services
    if service.pyramid_route:
        services["__cornice" + route_name] = service
    else:
        services[prefix + service.path] = service
        config.add_route(route_name, service.path, **place, **_route_arguments(config, service))

    method_views.add(config, route_name)
    with_context = hasattr(service, "factory")
    route_predicates = _route_predicates(config)
    for method, view, arguments in service.definitions:
        view_arguments = {
            name: value
            for name, value in arguments.items()
            if name not in _SERVICE_ARGUMENTS and name not in route_predicates
        }
        config.add_view(
            _view(view, arguments, with_context=with_context, method=method),
            **place,
            route_name=route_name,
            request_method=method,
            negotiation=(
                _as_tuple(arguments.get("accept")),
                _as_tuple(arguments.get("content_type")),
                service.patch_content_types if method == "PATCH" else (),
            ),
            **view_arguments,
        )
    if service.definitions:
        config.add_view(
            _refusing_view(service),
            **place,
            route_name=route_name,
            permission=NO_PERMISSION_REQUIRED,
            require_csrf=False,
        )


def _preflight_view(service: Service) -> Callable[[Request], Response | None]:
    # It is a function and not a `partial`, because Cornice reads the names of views.
    def preflight(request: Request) -> Response | None:
        return cors.preflight(service, request)

    return preflight


def _refusing_view(service: Service) -> Callable[[Request], Any]:
    def method_not_allowed(request: Request) -> Any:
        error = HTTPMethodNotAllowed()
        error.headers["Allow"] = ", ".join(service.defined_methods)
        if accepted := cors.accept_patch(service):
            error.headers["Accept-Patch"] = accepted
        raise error

    _tell_signature(method_not_allowed)
    return method_not_allowed


def _tell_signature(view: Any) -> None:
    """Say what arguments a view has, because Pyramid asks twice and to find out takes long."""
    view.__signature__ = _SIGNATURE


def _route_predicates(config: Configurator) -> set[str]:
    """Return the names of the predicates that only routes have."""
    names: set[str] = set(config.get_predlist("route").sorter.names)
    return names.difference(config.get_predlist("view").sorter.names)


def _route_arguments(config: Configurator, service: Service) -> dict[str, Any]:
    names = [*config.get_predlist("route").sorter.names, "factory"]
    return {
        name: getattr(service, name)
        for name in names
        if name != "accept" and hasattr(service, name)
    }


def _view(
    view: Any, arguments: Mapping[str, Any], *, with_context: bool, method: str
) -> Callable[[Request], Any]:
    """Return the view of a definition, which validates and then calls the view of the service.

    If the definition has a ``klass``, it is instantiated for each request, and `view` is one of its
    methods, which Cornice looked up at the declaration.
    """
    # Work that is the same for all requests is done here once.
    declared = arguments.get("validators", ())
    schema = arguments.get("schema") if validation.validate_schema in declared else None
    prepared = None if schema is None else validation.PreparedSchema(schema)
    if schema is None:
        # It would do nothing.
        declared = [one for one in declared if one is not validation.validate_schema]
    validators = [_validator(validator, arguments, prepared, method) for validator in declared]
    error_handler = arguments["error_handler"]
    klass = arguments.get("klass") if hasattr(view, "make_bound_view") else None
    keywords = dict(arguments)
    is_unfiltered = not arguments.get("filters")

    def validated_view(request: Request) -> Any:
        target = None
        if klass is not None:
            context = {"context": request.context} if with_context else {}
            target = klass(request=request, **context)
        for validator in validators:
            if isinstance(validator, str):
                _with_keywords(getattr(target, validator))(request, **keywords)
            elif validator is not cors.check_origin or "HTTP_ORIGIN" in request.environ:
                validator(request)
        if request.errors:
            return error_handler(request)
        request.__dict__[answering.IS_UNFILTERED] = is_unfiltered
        request.__dict__[endpoints.TARGET] = view, target
        response = view(request) if target is None else view.unbound_view(target)
        if request.errors:
            refusal = error_handler(request)
            if isinstance(refusal, Exception):
                # It is raised, so that the changes of the view before it found the fault are rolled
                # back.
                raise refusal
            return refusal
        # The response callback of Cornice applies the filters of the definition.
        request.cornice_args = (keywords, target)
        return response

    # New Relic, OpenTelemetry and profiles distinguish views by these names.
    for attribute in ("__module__", "__name__", "__qualname__"):
        setattr(validated_view, attribute, getattr(view, attribute, None) or "view")
    _tell_signature(validated_view)
    repeat = _repeat(view, arguments, validators, prepared) if klass else None
    endpoints.mark(validated_view, repeat)
    return validated_view


def _repeat(
    view: Any,
    arguments: Mapping[str, Any],
    validators: list[Any],
    prepared: validation.PreparedSchema | None,
) -> endpoints.Repeat | None:
    """Return what the view of a definition does again for another body of the same request.

    There is nothing if code of the application takes part, which may expect a new request.
    """
    declared = arguments.get("validators", ())
    if arguments.get("filters") or not all(known in _KNOWN_VALIDATORS for known in declared):
        return None
    if prepared is not None and prepared.is_bound:
        return None
    of_bodies = [validator for validator in validators if validator is not cors.check_origin]

    def repeat(request: Request) -> Any:
        _, target = request.cornice_args
        for validator in of_bodies:
            validator(request)
        value = None if request.errors else view.unbound_view(target)
        return None if request.errors else value

    return repeat


def _validator(
    validator: Any,
    arguments: Mapping[str, Any],
    prepared: validation.PreparedSchema | None,
    method: str,
) -> Any:
    """Return a validator of a definition that takes the request alone.

    The name of a method of the ``klass`` stays a name.
    """
    if isinstance(validator, str) or validator is cors.check_origin:
        return validator
    if prepared is not None and validator is validation.validate_schema:
        return validation.prepared_for(method, prepared)
    with_keywords = _with_keywords(validator)
    keywords = dict(arguments)
    return lambda request: with_keywords(request, **keywords)


def _with_keywords(validator: Any) -> Any:
    """Make a validator accept keyword arguments, even if it only takes the request (P-35.3)."""
    if isinstance(validator, str):
        return validator
    try:
        parameters = inspect.signature(validator).parameters.values()
    except (TypeError, ValueError):
        return validator
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return validator
    return lambda request, **kwargs: validator(request)
