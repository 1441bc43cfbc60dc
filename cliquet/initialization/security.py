"""The step that sets up authentication and authorization."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import (
    PHASE1_CONFIG,
    PHASE2_CONFIG,
    IAuthenticationPolicy,
    IAuthorizationPolicy,
    ISecurityPolicy,
)
from pyramid_multiauth import MultiAuthPolicySelected

from cliquet import settings
from cliquet.core import announcing
from cliquet.core.mistakes import did_you_mean, listed, why_not_callable
from cliquet.initialization import references
from cliquet.security.authentication import (
    IPAuthenticationPolicy,
    SecurityPolicy,
    effective_principals,
    on_policy_selected,
)
from cliquet.web import response_headers

__all__ = ["setup_authentication"]

_AUTHORIZATION = "multiauth.authorization_policy"
_GROUPFINDER = "multiauth.groupfinder"
_POLICIES = "multiauth.policies"
_POLICY_PREFIX = "multiauth.policy."
# Applications use this name for groups, as in `group:staff`.
_GROUP = "group"
# Published plugins lack the other methods of the interface of Pyramid.
_CALLED_METHODS = ("authenticated_userid", "effective_principals", "forget")
# The published documentation uses the first name, whose package cannot be imported on Pyramid 2.
_REPLACED_CLASSES = {
    "pyramid_ipauth.IPAuthentictionPolicy": IPAuthenticationPolicy,
    "pyramid_ipauth.IPAuthenticationPolicy": IPAuthenticationPolicy,
}


def setup_authentication(config: Configurator) -> None:
    """Set up the policies of ``multiauth.policies``, which are asked in their order (S-16).

    Raises
    ------
    ImportError : a setting names a class or function that cannot be imported (S-22).
    ValueError : ``multiauth.policies`` has a name that is not a policy, or names that are too
        similar.
    pyramid.exceptions.ConfigurationError : a class cannot be called with its options, or does not
        make a policy.
    """
    configured = config.get_settings()
    names = settings.read(configured, _POLICIES)
    _check_names(names, configured)
    # `pyramid_multiauth` splits a text, and does not accept a list.
    configured[_POLICIES] = " ".join(names)
    made = _made(config, names)
    given = {name: settings.read(configured, name) for name in made}
    # `pyramid_multiauth` reads names from settings, makes the objects when the configuration is
    # committed, and its errors name neither the setting nor the policy. It also accepts objects, so
    # that it finds finished ones here. Applications still find the values of the deployer.
    configured.update(made)
    try:
        config.include("pyramid_multiauth")
    finally:
        configured.update(given)

    def replace_policy() -> None:
        registry = config.registry
        policy = SecurityPolicy(registry.getUtility(ISecurityPolicy))
        _check_all_made(names, policy)
        registry.sender_environ_keys = _environ_keys(policy)
        registry.registerUtility(policy, ISecurityPolicy)
        # Modules with a policy often register an authorization policy too. Pyramid then requires an
        # authentication policy beside it, and so do plugins that look one up by its name. The
        # setting decides which one it is, even if the module has committed its own.
        registry.registerUtility(policy, IAuthenticationPolicy)
        registry.registerUtility(made[_AUTHORIZATION](), IAuthorizationPolicy)

    # This happens after the policy is registered, and before the first view needs it.
    config.action("cliquet.security_policy", replace_policy, order=PHASE2_CONFIG + 1)
    # Two such modules must not be a conflict.
    config.action(IAuthorizationPolicy, None, order=PHASE1_CONFIG)
    config.add_request_method(effective_principals, property=True)
    announcing.subscribe(config, on_policy_selected, MultiAuthPolicySelected)
    response_headers.add_part(config, response_headers.keep_private)


def _made(config: Configurator, names: Iterable[str]) -> dict[str, Any]:
    """Return the settings that name classes and functions, with the objects as values."""
    groupfinder = _resolved(config, _GROUPFINDER)
    reason = why_not_callable(groupfinder, ("userid", "request"))
    if reason is not None:
        raise ConfigurationError(
            f"Setting '{_GROUPFINDER}' is "
            f"{settings.read(config.get_settings(), _GROUPFINDER)!r}, which {reason}; allowed: a "
            "function of the id of a user and a request."
        )
    made: dict[str, Any] = {
        _GROUPFINDER: groupfinder,
        _AUTHORIZATION: _factory_of(_call(config, _AUTHORIZATION, {})),
    }
    for name in names:
        use = f"{_POLICY_PREFIX}{name}.use"
        if use in config.get_settings():
            made[use] = _factory_of(_policy(config, name))
        else:
            _check_module(config, name)
    return made


def _factory_of(policy: Any) -> Callable[..., Any]:
    return lambda **options: policy


def _check_names(names: Iterable[str], configured: dict[str, Any]) -> None:
    """Refuse names that would give two users the same principal (H-5.6)."""
    lowered = [name.lower() for name in names]
    if len(set(lowered)) < len(lowered) or any(":" in name for name in lowered):
        allowed = "names that differ by more than their case, and have no colon"
        raise settings.SettingError(_POLICIES, configured[_POLICIES], allowed)
    for name, other in itertools.permutations(lowered, 2):
        # A user `b_c` of policy `a` and a user `c` of policy `a_b` would have the same principal.
        if other.startswith(f"{name}_"):
            allowed = f"names of which none begins with another and '_', as {other!r} with {name!r}"
            raise settings.SettingError(_POLICIES, configured[_POLICIES], allowed)
    if _GROUP in lowered:
        allowed = f"any names but {_GROUP!r}, whose users would have the principals of groups"
        raise settings.SettingError(_POLICIES, configured[_POLICIES], allowed)
    for key in configured:
        if key.startswith(_POLICY_PREFIX) and "." not in key.removeprefix(_POLICY_PREFIX):
            raise ValueError(f"Setting '{key}' has no effect; its class is named by '{key}.use'.")


def _options(configured: dict[str, Any], name: str) -> dict[str, Any]:
    prefix = f"{_POLICY_PREFIX}{name}."
    return {
        key.removeprefix(prefix): value
        for key, value in configured.items()
        if key.startswith(prefix) and key != f"{prefix}use"
    }


def _policy(config: Configurator, name: str) -> Any:
    """Return the policy with a name, if the settings give its class."""
    use = f"{_POLICY_PREFIX}{name}.use"
    policy = _call(config, use, _options(config.get_settings(), name))
    missing = [method for method in _CALLED_METHODS if not hasattr(policy, method)]
    if missing:
        raise ConfigurationError(
            f"Setting '{use}' makes {policy!r}, which is no authentication policy of Pyramid: "
            f"it has no {', '.join(missing)}."
        )
    return policy


def _check_module(config: Configurator, name: str) -> None:
    """Refuse a name without a class that is not a module to include either."""
    use = f"{_POLICY_PREFIX}{name}.use"
    options = sorted(_options(config.get_settings(), name))
    if options:
        given = ", ".join(options)
        raise ValueError(f"Setting '{use}' is missing: '{name}' has the options {given}.")
    try:
        module = config.maybe_dotted(name)
    except ImportError as error:
        raise ValueError(
            f"Setting '{_POLICIES}' has {name!r}, which has no setting '{use}' and is no module "
            f"that can be imported: {error}; allowed: basicauth, or a name with the setting "
            f"'{_POLICY_PREFIX}<name>.use'{did_you_mean(name, _named(config)) or '.'}"
        ) from error
    if not callable(module) and not hasattr(module, "includeme"):
        # A library may have the same name as a policy, for example `fxa` of PyFxA.
        raise ValueError(
            f"Setting '{_POLICIES}' has {name!r}, which has no setting '{use}', and the module of "
            "that name is none to include: it has no 'includeme'."
        )


def _named(config: Configurator) -> set[str]:
    """Return the names of policies whose class a setting gives."""
    return {
        key.removeprefix(_POLICY_PREFIX).removesuffix(".use")
        for key in config.get_settings()
        if key.startswith(_POLICY_PREFIX) and key.endswith(".use")
    }


def _check_all_made(names: Iterable[str], policy: Any) -> None:
    """Refuse names without a policy, because all of their users would be anonymous."""
    made = {one._pyramid_multiauth_name for one in policy._policies}
    for name in names:
        if name not in made:
            raise ConfigurationError(
                f"Setting '{_POLICIES}' has {name!r}, which has no setting "
                f"'{_POLICY_PREFIX}{name}.use', and the module brings no policy of its own."
            )


def _environ_keys(policy: Any) -> frozenset[str]:
    """Return the variables where policies read a user that the server or a proxy has recognised.

    A proxy writes the name of the user into a header, such as ``HTTP_X_REMOTE_USER``. It does not
    see the headers of the requests within a batch, which must not set these variables (H-25.14).
    """
    found = (getattr(one, "environ_key", None) for one in policy._policies)
    return frozenset(key for key in found if isinstance(key, str))


def _resolved(config: Configurator, setting: str) -> Any:
    """Return the object that a setting names."""
    value = settings.read(config.get_settings(), setting)
    if value == "":
        raise settings.SettingError(setting, value, "a dotted Python name")
    try:
        return references.resolve(config, setting)
    except ImportError:
        if value in _REPLACED_CLASSES:
            return _REPLACED_CLASSES[value]
        raise


def _call(config: Configurator, setting: str, options: dict[str, Any]) -> Any:
    """Call the class that a setting names with the options."""
    factory = _resolved(config, setting)
    _check_options(config, setting, factory, options)
    try:
        return factory(**options)
    except (TypeError, ValueError) as error:
        # The message does not show the values of options, which may be secrets.
        given = f"the options {', '.join(sorted(options))}" if options else "no options"
        raise ConfigurationError(
            f"Setting '{setting}' is {settings.read(config.get_settings(), setting)!r}, "
            f"which cannot be made with {given}: {error}"
        ) from error


def _check_options(
    config: Configurator, setting: str, factory: Any, options: dict[str, Any]
) -> None:
    """Refuse options that a class does not know, and the lack of those that it needs."""
    prefix = setting.removesuffix("use")
    if setting == prefix and not options:
        # It takes none. To find out what a class without constructor takes, Python reads a text.
        return
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    known = [name for name, one in parameters.items() if one.kind is not one.VAR_POSITIONAL]
    value = settings.read(config.get_settings(), setting)
    for name in sorted(set(options).difference(known)):
        raise ConfigurationError(
            f"Setting '{prefix}{name}' is no option of {value!r}, which cannot be made with it; "
            f"allowed: {listed(known) or 'no options'}{did_you_mean(name, known) or '.'}"
        )
    missing = [
        f"'{prefix}{name}'"
        for name in known
        if parameters[name].default is inspect.Parameter.empty and name not in options
    ]
    if missing and setting != prefix:
        raise ConfigurationError(
            f"Setting '{setting}' is {value!r}, which cannot be made without {', '.join(missing)}."
        )
