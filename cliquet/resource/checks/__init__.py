"""What is probably a mistake in a resource class or in its registration, found at the start.

Nothing here runs during a request. A mistake that cannot be meant is a ``ConfigurationError``. One
that an application may mean is a doubt, which the log tells when the service has started. A rule is
a generator of :class:`Finding`; the module says what it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyramid.exceptions import ConfigurationError

from cliquet.core.mistakes import Place, place_of
from cliquet.resource.checks import (
    attributes,
    fields,
    hooks,
    left_out,
    mappings,
    registrations,
    sharding,
)
from cliquet.resource.checks.findings import Finding

__all__ = ["check_class", "check_keywords", "check_parentheses", "check_resource"]


def check_parentheses(depth: Any) -> None:
    """Refuse ``@register`` without parentheses.

    Parameters
    ----------
    depth : first argument of the decorator, which is the class then.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : it is one.
    """
    if isinstance(depth, type):
        _refuse(depth, [Finding("register has no parentheses; allowed: @register().")])


def check_class(resource_cls: Any, viewset: Any = None) -> None:
    """Refuse what cannot be a resource, and what cannot be a viewset.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : it is one.
    """
    if not isinstance(resource_cls, type):
        raise ConfigurationError(
            f"{place_of(resource_cls)}: {resource_cls!r} is registered; allowed: a class that "
            "derives from UserResource or ShareableResource."
        )
    _refuse(resource_cls, attributes.classes(resource_cls, viewset))


def check_keywords(resource_cls: type, viewset: Any) -> None:
    """Refuse keywords that the viewset does not know.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : there is such a keyword.
    """
    _refuse(resource_cls, registrations.keywords(viewset))


def check_resource(
    resource_cls: Any, viewset: Any, paths: Mapping[str, str], configured: Mapping[str, Any]
) -> list[str]:
    """Refuse the mistakes of a registration, and return its doubts.

    Parameters
    ----------
    paths : pattern of the URL of each kind of endpoint, ``collection`` and ``record``.
    configured : settings of the application.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : there is at least one mistake; all are told.
    """
    methods = {method.upper() for method in (*viewset.collection_methods, *viewset.record_methods)}
    found = [
        *mappings.mapping(resource_cls, methods),
        *fields.declared(resource_cls.mapping),
        *mappings.options(resource_cls),
        *sharding.shards(resource_cls, viewset, configured),
        *attributes.misspelt(resource_cls, viewset),
        *hooks.overrides(resource_cls, viewset, methods),
        *left_out.left_out(resource_cls),
        *registrations.values(resource_cls, viewset),
        *registrations.paths(resource_cls, viewset, paths),
    ]
    _refuse(resource_cls, found)
    return [f"{Place(resource_cls)}: {finding.text}" for finding in found]


def _refuse(resource_cls: type, findings: Iterable[Finding]) -> None:
    refused = [finding.text for finding in findings if finding.is_certain]
    if refused:
        raise ConfigurationError(f"{Place(resource_cls)}: {' '.join(refused)}")
