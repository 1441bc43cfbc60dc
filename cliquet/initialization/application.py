"""The functions that turn the configurator of an application into a service."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated
from pyramid.exceptions import ConfigurationError

from cliquet import events, settings, utils
from cliquet.initialization import (
    metrics,
    migrations,
    receiving,
    references,
    scanning,
    start_messages,
    web,
)
from cliquet.monitoring import crashes, logs
from cliquet.security import authentication
from cliquet.web import cors, requests, response_headers

__all__ = ["includeme", "initialize", "initialize_cliquet"]


def initialize(
    config: Configurator,
    version: str | None = None,
    project_name: str = "",
    default_settings: Mapping[str, Any] | None = None,
) -> None:
    """Set up a Pyramid application as a service (P-2).

    Views that the application scans or includes afterwards have the version prefix too.

    Parameters
    ----------
    config : configurator, which is modified in place.
    version : version of the application; the setting ``project_version`` wins over it.
    project_name : name that is used if the settings have none.
    default_settings : defaults that win over those of the library; settings and environment win
        over them.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : there is no version, or the application was set up
        before.
    ValueError : a setting has no acceptable value, or two of its spellings disagree.
    """
    _refuse_second_call(config)
    configured = config.get_settings()
    configured["project_name"] = settings.resolve_project_name(configured, project_name)
    configured.pop("cliquet.project_name", None)
    defaults = {**settings.DEFAULT_SETTINGS, **(default_settings or {})}
    settings.load_default_settings(config, defaults)
    if not configured["project_name"]:
        warnings.warn("No value specified for `project_name`")  # noqa: B028 - the call is published

    project_version = configured.get("project_version") or version
    if not project_version:
        raise ConfigurationError(f"Invalid project version: {project_version}")
    configured["project_version"] = project_version = str(project_version)
    api_version = configured.get("http_api_version")
    if api_version is None or api_version == "":
        api_version = ".".join(project_version.split(".")[:2])
    configured["http_api_version"] = api_version = str(api_version)
    settings.validate(configured)

    route_prefix = f"v{api_version.split('.')[0]}"
    config.include(includeme, route_prefix=route_prefix)
    config.route_prefix = route_prefix


def _refuse_second_call(config: Configurator) -> None:
    """Note where the application calls `initialize`, and refuse another call."""
    caller = sys._getframe(1)
    while caller.f_back is not None and caller.f_globals.get("__name__") == __name__:
        caller = caller.f_back
    place = f"{caller.f_code.co_filename}:{caller.f_lineno}"
    first = getattr(config.registry, "initialized_at", None)
    if first is not None:
        raise ConfigurationError(
            f"{place}: cliquet.initialize() is called a second time for one application; allowed: "
            f"one call, as in {first}."
        )
    config.registry.initialized_at = place


def initialize_cliquet(*args: Any, **kwargs: Any) -> None:
    """Do the same as :func:`initialize`, which had this name before (P-2.8)."""
    warnings.warn(
        'cliquet.initialize_cliquet is now deprecated. Please use "cliquet.initialize" instead',
        DeprecationWarning,
        stacklevel=2,
    )
    initialize(*args, **kwargs)


def add_api_capability(
    config: Configurator, identifier: str, description: str = "", url: str = "", **kwargs: Any
) -> None:
    """Announce a capability of the service to clients in the root view (P-6.1).

    Raises
    ------
    ValueError : the capability was declared already.
    """
    capabilities = config.registry.api_capabilities
    existing = capabilities.get(identifier)
    if existing is not None:
        raise ValueError(f"The '{identifier}' API capability was already registered ({existing}).")
    capabilities[identifier] = {
        "description": description,
        "url": url,
        # The root view shows the values many times, but an iterator can be read only once.
        **{k: list(v) if isinstance(v, Iterator) else v for k, v in kwargs.items()},
    }


def get_user_info(request: Any) -> dict[str, Any]:
    """Return the description of the user in the root view; plugins may replace it (P-5.8)."""
    return {"id": request.prefixed_userid}


def includeme(config: Configurator) -> None:
    """Include the library in an application whose settings are complete (P-3)."""
    registry = config.registry
    registry.heartbeats = {}
    registry.public_settings = {"batch_max_requests", "readonly"}
    registry.api_capabilities = {}
    config.add_directive("add_api_capability", add_api_capability)
    registry.migrations = {}
    config.add_directive("add_migrations", migrations.add_migrations)

    config.add_request_method(events.get_resource_events)
    config.add_request_method(events.notify_resource_event)

    configured = config.get_settings()
    # This comes first, because a failure below is a crash too.
    crashes.setup_sentry(config)
    # Our error views handle the exceptions that Cornice would handle.
    configured.setdefault("handle_exceptions", False)
    config.include("cliquet.web.sorted_once")
    config.include("cliquet.web.registrations")
    config.include("cornice")
    config.include("cliquet.web.service")
    config.include("cliquet.web.giving_way")
    config.include("cliquet.web.dispatch")
    config.include("cliquet.transactions.tweens")

    config.include(web.provide_needs)
    receiving.setup_reception(config)
    # This comes before the steps, because one of them redirects URLs without a version.
    metrics.setup_prometheus(config)
    for step in references.resolve_all(config, "initialization_sequence"):
        step(config)
    metrics.observe_backends(config)
    # This comes after the steps, because one of them sets `Vary` again.
    response_headers.add_part(config, cors.complete)
    config.add_subscriber(start_messages.warn_of_doubts, ApplicationCreated)

    config.add_request_method(requests.follow_subrequest)
    # It is a real property, because Pyramid turns a function into a property that can be set
    # (P-5.3).
    config.add_request_method(
        property(authentication.prefixed_userid), name="prefixed_userid", property=True
    )
    config.add_request_method(get_user_info)
    config.add_request_method(utils.current_resource_name, reify=True)
    config.add_request_method(utils.current_service, reify=True)
    # After the commit, plugins may replace any of these (P-3.2).
    config.commit()

    # The log lines of plugins during their inclusion look like the other lines of the application.
    with logs.using(getattr(registry, "log_renderer", None)):
        for plugin in references.resolve_all(config, "includes", attribute="includeme"):
            config.include(plugin)
        scanning.scan_views(config, ignore=_views_without_setting(configured))
        start_messages.tell_of_start(config)


def _views_without_setting(configured: Mapping[str, Any]) -> list[str]:
    """Return the modules of views whose addresses stay free for views of the application."""
    wanted = {
        "version": "version_json_path",
        "groups": "groups_enabled",
        "api_docs": "api_docs_enabled",
        "admin": "admin_enabled",
    }
    return [
        f"cliquet.views.{name}"
        for name, setting in wanted.items()
        if not settings.read(configured, setting)
    ]
