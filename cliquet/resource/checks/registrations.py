"""What a registration was given: its keywords, their values, and the two paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cliquet.core.mistakes import did_you_mean, listed, names_used
from cliquet.resource.checks.findings import Finding
from cliquet.resource.keywords import ViewSetKeywords
from cliquet.resource.viewset import ViewSet

__all__ = ["keywords", "paths", "values"]

_PUBLISHED: Final = frozenset(ViewSetKeywords.__annotations__)
# Keywords of the services of Cornice, which somebody who knows Cornice may expect here.
_OF_SERVICES: Final = frozenset(
    (
        *("acl", "cors_credentials", "cors_enabled", "cors_headers", "cors_max_age"),
        *("cors_origins", "cors_policy", "description", "factory", "filters", "traverse"),
    )
)
_METHODS: Final = ("collection_methods", "record_methods")
_LISTS: Final = (*_METHODS, "validate_schema_for", "readonly_methods")
_TEXTS: Final = ("name", "service_name", "collection_path", "record_path")


def keywords(viewset: Any) -> Iterator[Finding]:
    """Find keywords that have no effect.

    A class of the application may have attributes of its own, which count as known, and code that
    uses further ones.
    """
    if not isinstance(viewset, ViewSet):
        # An application may have made one without our class.
        return
    unknown = [name for name in vars(viewset) if not hasattr(type(viewset), name)]
    unknown = [name for name in unknown if name not in _PUBLISHED and not name.startswith("_")]
    if unknown and type(viewset).__module__ != ViewSet.__module__:
        used = names_used(cls for cls in type(viewset).__mro__ if cls.__module__ != "builtins")
        unknown = [name for name in unknown if name not in used]
    for name in unknown:
        meant = did_you_mean(name, _PUBLISHED) or "."
        if name in _OF_SERVICES:
            meant = f"; did you mean service_arguments={{{name!r}: ...}}?"
        yield Finding(f"register() has no keyword {name!r}; allowed: {listed(_PUBLISHED)}{meant}")


def values(resource_cls: type, viewset: Any) -> Iterator[Finding]:
    """Find values of keywords that have another type, and methods that nothing serves."""
    for name in _TEXTS:
        value = vars(viewset).get(name, "")
        if not isinstance(value, str):
            yield Finding(f"{name} is {value!r}; allowed: a text.")
    name = viewset.get_name(resource_cls)
    if not re.fullmatch(r"[\w.~-]+", name):
        yield Finding(
            f"the name of the resource is {name!r}; allowed: letters, digits, '_', '-' and '.', "
            "because it is a part of URLs and of settings.",
            # An application may give all of these itself.
            is_certain=False,
        )
    for name in _LISTS:
        value = getattr(viewset, name, ())
        if isinstance(value, str):
            yield Finding(f"{name} is the text {value!r}; allowed: a tuple, as in ({value!r},).")
        elif name in _METHODS:
            yield from _methods(resource_cls, viewset, name, value)


def _methods(resource_cls: type, viewset: Any, name: str, methods: Any) -> Iterator[Finding]:
    kind = name.partition("_")[0]
    for method in methods:
        view = viewset.get_view(kind, method.lower())
        if isinstance(view, str) and not hasattr(resource_cls, view):
            known = getattr(ViewSet, name)
            yield Finding(
                f"{name} has {method!r}, and the class has no method {view}(); allowed: "
                f"{', '.join(known)}, and methods that the class has"
                f"{did_you_mean(method, known) or '.'}"
            )


def paths(resource_cls: Any, viewset: Any, made: Mapping[str, str]) -> Iterator[Finding]:
    """Find a path without its fellow, and a path of records without the variable of their id."""
    if not isinstance(viewset, ViewSet) or not viewset.record_methods:
        return
    collection, record = made["collection"], made["record"]
    if not re.search(r"\{id[:}]", record):
        yield Finding(
            f"record_path is {viewset.record_path!r}; allowed: a path with {{{{id}}}}, as in "
            f"'{viewset.collection_path}/{{{{id}}}}'.",
            # A class of the application may find the id in another way.
            is_certain=resource_cls.__init__.__module__.startswith("cliquet."),
        )
    given = [kind for kind in made if getattr(viewset, f"{kind}_path") != _default(kind)]
    if len(given) == 1 and viewset.collection_methods and not record.startswith(f"{collection}/"):
        other = "record" if given == ["collection"] else "collection"
        yield Finding(
            f"{given[0]}_path is {made[given[0]]!r}, and {other}_path was not given, so that it is "
            f"{made[other]!r}; allowed: both, as in collection_path='/moss', "
            "record_path='/moss/{{id}}'."
        )


def _default(kind: str) -> str:
    return str(getattr(ViewSet, f"{kind}_path"))
