"""The step that subscribes event listeners, and the predicates that subscribers may use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from cliquet import settings
from cliquet.core.mistakes import did_you_mean, place_of, why_not_callable
from cliquet.events import (
    ACTIONS,
    AfterResourceChanged,
    AfterResourceRead,
    ResourceChanged,
    ResourceRead,
)
from cliquet.initialization import metrics, references
from cliquet.monitoring.logs import logger_for

__all__ = ["EventActionFilter", "EventResourceFilter", "MissingUseError", "setup_listeners"]

_ALLOWED: Final = "a module with load_from_config(), such as cliquet.listeners.redis"


class MissingUseError(ConfigurationError, KeyError):  # type: ignore[misc]  # Pyramid has no types
    """A listener is neither a module, nor does a setting name its module.

    It is a `KeyError` too, because that was published (S-22).
    """

    def __str__(self) -> str:
        # That of `KeyError` is the representation.
        return str(self.args[0])


class EventActionFilter:
    """Subscriber predicate ``for_actions``, which selects actions (P-21.12)."""

    def __init__(self, actions: Iterable[str | ACTIONS], config: Configurator) -> None:
        if isinstance(actions, str):
            raise ConfigurationError(
                f"for_actions is the text {actions!r}; allowed: a tuple, as in ({actions!r},)."
            )
        given = tuple(actions)
        known = [action.value for action in ACTIONS]
        try:
            self.actions = tuple(action.value for action in ACTIONS.from_string_list(given))
        except ValueError as error:
            unknown = next(one for one in given if one not in (*ACTIONS, *known))
            raise ValueError(
                f"for_actions: {error}; allowed: {', '.join(known)}"
                f"{did_you_mean(str(unknown), known) or '.'}"
            ) from None

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
        # A name that does not exist is only known when all resources are registered.
        registry = getattr(config, "registry", None)
        if registry is not None:
            vars(registry).setdefault("subscribed_resources", set()).update(self.resources)

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
    MissingUseError : an alias has no setting that names its module.
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
        load = module.load_from_config
        _refuse_uncallable(load, (config, prefix), "load_from_config(config, prefix)", name)
        listener = load(config, prefix)
        if not callable(listener) or isinstance(listener, type):
            raise ConfigurationError(
                f"Setting 'event_listeners' has {name!r}, whose load_from_config() returned "
                f"{listener!r}; allowed: a function of one event."
            )
        _refuse_uncallable(listener, (None,), "a function of one event", name)
        vars(config.registry).setdefault("event_listeners", {})[name] = listener
        _subscribe(config, name, listener, prefix)


def _refuse_uncallable(found: Any, values: tuple[Any, ...], allowed: str, name: str) -> None:
    reason = why_not_callable(found, values)
    if reason is not None:
        code = found if inspect.isroutine(found) else type(found).__call__
        raise ConfigurationError(
            f"{place_of(code)}: {code.__qualname__}() of the listener {name!r} {reason}; allowed: "
            f"{allowed}."
        )


def _resolve(config: Configurator, name: str) -> tuple[Any, str]:
    """Return the module of a listener and the prefix of its settings.

    Raises
    ------
    MissingUseError : `name` is not the module of a listener, and no setting names its module.
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
        module = references.resolve(config, f"{prefix}use", allowed=_ALLOWED)
        if not hasattr(module, "load_from_config"):
            raise ConfigurationError(
                f"Setting '{prefix}use' is {use!r}, which has no load_from_config(); allowed: "
                f"{_ALLOWED}."
            )
        return module, prefix
    if failure is not None and not references.is_absence(failure, name):
        raise failure
    raise _missing_use(config, name)


def _missing_use(config: Configurator, name: str) -> MissingUseError:
    named = (
        key.removeprefix("event_listeners.").removesuffix(".use")
        for key in config.get_settings()
        if key.startswith("event_listeners.") and key.endswith(".use")
    )
    return MissingUseError(
        f"Setting 'event_listeners.{name}.use' is missing: 'event_listeners' has {name!r}, which "
        f"is no module with load_from_config() either; allowed: {_ALLOWED}"
        f"{did_you_mean(name, named) or '.'}"
    )


def _actions(configured: Mapping[str, Any], prefix: str) -> set[ACTIONS]:
    """Return the actions that a listener wants.

    Raises
    ------
    ValueError : there is no such action; the message names the setting.
    """
    given = settings.read(configured, f"{prefix}actions")
    try:
        return set(ACTIONS.from_string_list(given))
    except ValueError as error:
        known = ", ".join(action.value for action in ACTIONS)
        raise ValueError(f"Setting '{prefix}actions': {error}; allowed: {known}.") from None


def _subscribe(
    config: Configurator, name: str, listener: Callable[[Any], None], prefix: str
) -> None:
    configured = config.get_settings()
    actions = _actions(configured, prefix)
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
