"""The attributes of classes of an application: a name beside that of a hook is a misspelt hook."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from cliquet.core.mistakes import Place, differs_by, listed, names_used
from cliquet.resource.checks.findings import Finding
from cliquet.resource.shareable import ShareableResource
from cliquet.resource.shareable_model import ShareableModel
from cliquet.resource.strict_filters import OF_LISTS
from cliquet.resource.user import UserResource
from cliquet.resource.user_model import Model
from cliquet.resource.viewset import ShareableViewSet, ViewSet

__all__ = ["classes", "misspelt", "misspelt_in"]

_HTTP_METHODS: Final = ("get", "head", "options", "post", "put", "patch", "delete")
# Two letters of a short name make another word: `path` is no misspelt `patch`.
_SHORTEST_NAME: Final = 7
_MOST_LETTERS: Final = 2


def _hooks(*library_classes: type) -> frozenset[str]:
    """Return the names in classes that applications override, apart from properties."""
    return frozenset(
        name
        for cls in library_classes
        for name, value in vars(cls).items()
        if not name.startswith("__")
        and len(name) >= _SHORTEST_NAME
        and not isinstance(value, property)
        # A private attribute is no hook, and a private method is a published step (P-11.7).
        and (not name.startswith("_") or callable(value))
    )


_OF_RESOURCES: Final = _hooks(UserResource, ShareableResource)
_OF_VIEWSETS: Final = _hooks(ViewSet, ShareableViewSet)
_OF_MODELS: Final = _hooks(Model, ShareableModel)
# Views of methods that the library does not serve are no misspelt views of others.
_VIEWS: Final = frozenset(f"collection_{method}" for method in _HTTP_METHODS)
_ARGUMENTS: Final = frozenset(
    f"{kind}_{method}_arguments"
    for kind in ("default", "collection", "record")
    for method in _HTTP_METHODS
)


def classes(resource_cls: Any, viewset: Any) -> Iterator[Finding]:
    """Find an instance where a class is expected, and the reverse."""
    for name in ("default_viewset", "default_model", "mapping"):
        if not hasattr(resource_cls, name):
            yield Finding(
                f"it has no {name}; allowed: a class that derives from UserResource or "
                "ShareableResource."
            )
        elif name != "mapping" and not callable(getattr(resource_cls, name)):
            yield Finding(f"{name} is {getattr(resource_cls, name)!r}; allowed: a class.")
    if isinstance(viewset, type):
        name = viewset.__name__
        yield Finding(f"viewset is the class {name}; allowed: an instance, as in viewset={name}().")


def misspelt(resource_cls: Any, viewset: Any) -> Iterator[Finding]:
    """Find attributes that have no effect, in a resource and in its viewset and model."""
    views = {
        viewset.get_view(kind, method.lower())
        for kind in ("collection", "record")
        for method in getattr(viewset, f"{kind}_methods")
    }
    yield from misspelt_in(resource_cls, _OF_RESOURCES, known=_VIEWS | views, reported=resource_cls)
    yield from _query_parameters(resource_cls)
    permissions = getattr(resource_cls, "permissions", ())
    if isinstance(permissions, str) and issubclass(resource_cls, ShareableResource):
        yield Finding(
            f"permissions is the text {permissions!r}; allowed: a tuple, as in ({permissions!r},)."
        )
    yield from misspelt_in(type(viewset), _OF_VIEWSETS, known=_ARGUMENTS)
    if isinstance(resource_cls.default_model, type):
        yield from misspelt_in(resource_cls.default_model, _OF_MODELS)


def _query_parameters(resource_cls: Any) -> Iterator[Finding]:
    """Find names that are texts of other things, or that have a meaning of their own."""
    given = resource_cls.query_parameters
    if isinstance(given, str) or not isinstance(given, Collection):
        example = given if isinstance(given, str) else "colour"
        yield Finding(
            f"query_parameters is {given!r}; allowed: a tuple of names, as in ({example!r},)."
        )
        return
    taken = {*OF_LISTS, *(node.name for node in getattr(resource_cls.mapping, "children", ()))}
    for name in given:
        if not isinstance(name, str) or name in taken:
            yield Finding(
                f"query_parameters has {name!r}; allowed: names that are neither fields nor "
                f"parameters of lists, which are {listed(taken)}."
            )


def misspelt_in(
    cls: type,
    hooks: Iterable[str],
    *,
    known: Iterable[str] = frozenset(),
    reported: type | None = None,
) -> Iterator[Finding]:
    """Find attributes of a class of the application whose names are nearly those of hooks.

    An attribute that the code of the class uses is no mistake, and neither is one beside the hook
    itself. A plural or a singular may be meant: it is only a doubt.

    Parameters
    ----------
    known : names that are no mistakes.
    reported : class whose place the caller adds to the text.
    """
    own = [one for one in cls.__mro__ if one.__module__.partition(".")[0] != "cliquet"]
    candidates = [
        (one, name)
        for one in own[:-1]
        for name in vars(one)
        if len(name) >= _SHORTEST_NAME - _MOST_LETTERS
        and not name.startswith("__")
        and name not in hooks
        and name not in known
    ]
    used: set[str] | None = None
    for one, name in candidates:
        near = _nearest(name, hooks)
        if near is None or near in vars(one) or _is_inherited(cls, name):
            continue
        used = names_used(own) if used is None else used
        if name not in used:
            where = "" if one is reported else f"{Place(one)}: "
            yield Finding(
                f"{where}{name} has no effect; allowed: the hooks of the library, and names that "
                f"are not so near to theirs; did you mean {near!r}?",
                is_certain=not _is_plural(name, near) and not _is_plural(near, name),
            )


def _is_plural(name: str, other: str) -> bool:
    return name == f"{other}s" and not other.endswith("s")


def _nearest(name: str, hooks: Iterable[str]) -> str | None:
    found = ((differs_by(name, hook, _MOST_LETTERS), hook) for hook in hooks)
    near = [(letters, hook) for letters, hook in found if letters is not None]
    return min(near)[1] if near else None


def _is_inherited(cls: type, name: str) -> bool:
    """Return whether a class of the library has the attribute, which is then no invention."""
    return any(
        name in vars(one) for one in cls.__mro__ if one.__module__.partition(".")[0] == "cliquet"
    )
