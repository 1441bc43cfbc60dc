"""Messages and warnings that a starting service gives to the person who set it up."""

from __future__ import annotations

from typing import Any, Final

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from cliquet import settings
from cliquet.core.mistakes import Place, listed
from cliquet.initialization.async_code import refuse_async_code
from cliquet.initialization.doubts import find_doubts
from cliquet.monitoring import crashes, logs
from cliquet.settings.unknown import find_unknown_resources

__all__ = ["tell_of_start", "warn_of_doubts"]

_PATHS_OF_GROUPS: Final = ("/groups", "/groups/{id}")


def tell_of_start(config: Configurator) -> None:
    """Log that the service starts, and the settings that came from the environment."""
    configured = config.get_settings()
    variables = sorted(
        source.split()[-1]
        for source in getattr(config.registry, "settings_sources", {}).values()
        if source.startswith("environment")
    )
    if variables:
        # Such a variable may have been meant for another program.
        logs.logger.info("Settings read from the environment.", variables=variables)
    message = f"{configured['project_name']} {configured['project_version']} starting."
    logs.logger.info(message)
    crashes.tell_sentry_of_start(config, message)


def warn_of_doubts(event: Any) -> None:
    """Check, after the application is made, what depends on all its resources.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : a setting has the misspelt name of a resource, a
        resource of the application stands in the place of the groups of the library, or a
        subscriber or a view is ``async``.
    """
    registry = event.app.registry
    refuse_async_code(registry)
    _refuse_misspelt_resources(registry)
    _refuse_other_groups(registry)
    # No request is being processed, so that the renderer must be set here.
    with logs.using(getattr(registry, "log_renderer", None)):
        for doubt in find_doubts(registry):
            logs.logger.warning(doubt.text, **doubt.fields)


def _refuse_misspelt_resources(registry: Any) -> None:
    resolution = getattr(registry, "settings_resolution", None)
    resources = getattr(registry, "resource_names", ())
    if resolution is None or not resources:
        return
    for one in find_unknown_resources(resolution, resources):
        if one.nearest is not None:
            raise ConfigurationError(
                f"Setting '{one.name}' is of the resource {one.resource!r}, which does not exist; "
                f"allowed: {listed(resources)}; did you mean {one.nearest!r}?"
            )


def _refuse_other_groups(registry: Any) -> None:
    """Refuse a resource that takes the name or the path of groups, whose members nobody would be.

    As a part of an application, it wins over the library without a conflict.
    """
    if not settings.read(registry.settings, "groups_enabled"):
        return
    for service in registry.cornice_services.values():
        resource = getattr(service, "resource", None)
        is_own = getattr(resource, "__module__", None) == "cliquet.views.groups"
        is_in_place = (
            getattr(service, "resource_name", None) == "group" or service.path in _PATHS_OF_GROUPS
        )
        if is_in_place and not is_own:
            where = Place(resource) if isinstance(resource, type) else f"service {service.name}"
            raise ConfigurationError(
                f"{where}: it has the name or the path of the groups of the setting "
                "'groups_enabled'; allowed: another name and other paths, or groups_enabled = "
                "false."
            )
