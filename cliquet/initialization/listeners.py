"""The step that subscribes event listeners, and the predicates that subscribers may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from cliquet import settings
from cliquet.events import (
    ACTIONS,
    AfterResourceChanged,
    AfterResourceRead,
    ResourceChanged,
    ResourceRead,
)
from cliquet.initialization import metrics, references
from cliquet.monitoring.logs import logger_for

__all__ = ["EventActionFilter", "EventResourceFilter", "setup_listeners"]


class EventActionFilter:
    """Subscriber predicate ``for_actions``, which selects actions (P-21.12)."""

    def __init__(self, actions: Iterable[str | ACTIONS], config: Configurator) -> None:
        self.actions = tuple(action.value for action in ACTIONS.from_string_list(actions))

    def phash(self) -> str:
        """Tell predicates apart; called by Pyramid."""
        return f"for_actions = {','.join(self.actions)}"

    text = phash

    def __call__(self, event: Any) -> bool:
        action = event.payload.get("action")
        return not action or action in self.actions


class EventResourceFilter:
    """Subscriber predicate ``for_resources``, which selects resources; if empty, all (P-21.12)."""

    def __init__(self, resources: Iterable[str], config: Configurator) -> None:
        self.resources = tuple(resources)

    def phash(self) -> str:
        """Tell predicates apart; called by Pyramid."""
        return f"for_resources = {','.join(self.resources)}"

    text = phash

    def __call__(self, event: Any) -> bool:
        name = event.payload.get("resource_name")
        return not self.resources or not name or name in self.resources


def setup_listeners(config: Configurator) -> None:
    """Subscribe the listeners of ``event_listeners`` to the events that they want (S-15).

    Raises
    ------
    pyramid.exceptions.ConfigurationError : two listeners would share their settings.
    KeyError : an alias has no setting that names its module.
    ValueError : a setting of a listener has no acceptable value.
    """
    config.add_subscriber_predicate("for_actions", EventActionFilter)
    config.add_subscriber_predicate("for_resources", EventResourceFilter)
    configured = config.get_settings()
    renderer = getattr(config.registry, "log_renderer", None)
    names: dict[str, str] = {}
    for name in settings.read(configured, "event_listeners"):
        if renderer is not None:
            logger_for(renderer).info(f"Setting up '{name}' listener")
        module, prefix = _resolve(config, name)
        if prefix in names:
            # Both would get the same events, and this is certainly a mistake.
            raise ConfigurationError(
                f"event_listeners: '{names[prefix]}' and '{name}' would both be configured by "
                f"{prefix}*; give one of them an alias of its own."
            )
        names[prefix] = name
        # This is outside of the resolution, because a `KeyError` of the listener does not mean a
        # missing setting.
        _subscribe(config, name, module.load_from_config(config, prefix), prefix)


def _resolve(config: Configurator, name: str) -> tuple[Any, str]:
    """Return the module of a listener and the prefix of its settings.

    Raises
    ------
    KeyError : `name` is not the module of a listener, and no setting names its module.
    ImportError : there is a module, or a setting that names one, but its import fails.
    """
    failure = None
    try:
        module = config.maybe_dotted(name)
    except ImportError as error:
        module, failure = None, error
    if hasattr(module, "load_from_config"):
        return module, f"event_listeners.{name.rsplit('.', 1)[-1]}."
    prefix = f"event_listeners.{name}."
    use = settings.read(config.get_settings(), f"{prefix}use")
    if use:
        return references.resolve(config, f"{prefix}use"), prefix
    if failure is not None and not _is_absence(failure, name):
        raise failure
    raise KeyError(f"{prefix}use")


def _is_absence(error: ImportError, name: str) -> bool:
    """Return whether the named module does not exist; otherwise it fails to import another."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return missing is not None and (name == missing or name.startswith(f"{missing}."))


def _subscribe(
    config: Configurator, name: str, listener: Callable[[Any], None], prefix: str
) -> None:
    configured = config.get_settings()
    actions = set(ACTIONS.from_string_list(settings.read(configured, f"{prefix}actions")))
    resources = settings.read(configured, f"{prefix}resources")
    read: type = ResourceRead
    changed: type = ResourceChanged
    before_commit = settings.read(configured, f"{prefix}before_commit")
    if getattr(listener, "after_commit", False) and not before_commit:
        # The effects of this listener cannot be undone (P-34.6).
        read, changed = AfterResourceRead, AfterResourceChanged
    listener = metrics.observe_listener(config.registry, name, listener)
    if ACTIONS.READ in actions:
        config.add_subscriber(listener, read, for_resources=resources)
    changes = sorted(action.value for action in actions - {ACTIONS.READ})
    if changes:
        config.add_subscriber(listener, changed, for_actions=changes, for_resources=resources)
