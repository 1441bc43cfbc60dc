"""Methods that an application overrides: whether the library can call them as it does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Set
from types import FunctionType
from typing import Any, Final

from cliquet.core.mistakes import Place, place_of, why_not_callable
from cliquet.resource.checks.findings import Finding
from cliquet.resource.shareable import ShareableResource
from cliquet.resource.shareable_model import ShareableModel
from cliquet.resource.user import UserResource
from cliquet.resource.user_model import Model
from cliquet.resource.viewset import ShareableViewSet, ViewSet

__all__ = ["overrides"]

# The keywords that the library gives to hooks besides what they need, and the HTTP methods that
# let it do so.
_KEYWORDS: Final[dict[str, tuple[tuple[tuple[str, ...], frozenset[str]], ...]]] = {
    "process_record": (
        ((), frozenset({"POST"})),
        (("old",), frozenset({"PUT", "PATCH"})),
    ),
    "apply_changes": (((), frozenset({"PATCH"})),),
    "postprocess": (
        ((), frozenset({"GET", "HEAD"})),
        (("action",), frozenset({"POST", "DELETE"})),
        (("action", "old"), frozenset({"PUT", "PATCH"})),
    ),
}
_ALWAYS: Final = (((), frozenset[str]()),)


def _methods(*library_classes: type) -> dict[str, FunctionType]:
    """Return the methods that applications may override."""
    return {
        name: value
        for cls in library_classes
        for name, value in vars(cls).items()
        if isinstance(value, FunctionType) and not name.startswith("__")
    }


_OF_RESOURCES: Final = _methods(ShareableResource, UserResource)
_OF_VIEWSETS: Final = _methods(ShareableViewSet, ViewSet)
_OF_MODELS: Final = _methods(ShareableModel, Model)


def overrides(resource_cls: Any, viewset: Any, methods: Set[str]) -> Iterator[Finding]:
    """Find methods of a resource, of its viewset and of its model that cannot be called.

    Parameters
    ----------
    methods : HTTP methods that the resource serves, in upper case.
    """
    views = {
        viewset.get_view(kind, method.lower())
        for kind in ("collection", "record")
        for method in getattr(viewset, f"{kind}_methods")
    }
    yield from _views(resource_cls, {name for name in views if isinstance(name, str)})
    # The other views may be called by code of the application alone.
    hooks = {name: value for name, value in _OF_RESOURCES.items() if name not in _VIEWS}
    yield from _of_class(resource_cls, hooks, methods, reported=resource_cls)
    yield from _of_class(type(viewset), _OF_VIEWSETS, methods)
    if isinstance(resource_cls.default_model, type):
        yield from _of_class(resource_cls.default_model, _OF_MODELS, methods)


_VIEWS: Final = frozenset(
    ("collection_get", "collection_post", "collection_delete", "get", "put", "patch", "delete")
)


def _views(resource_cls: Any, names: Iterable[str]) -> Iterator[Finding]:
    for name in sorted(names):
        owner = _owner(resource_cls, name)
        if owner is not None:
            yield from _calls(resource_cls, owner, name, f"{name}(self)", 0, _ALWAYS, frozenset())


def _of_class(
    cls: type, library: dict[str, FunctionType], methods: Set[str], *, reported: Any = None
) -> Iterator[Finding]:
    if cls.__module__.partition(".")[0] == "cliquet":
        return
    for name, published in library.items():
        owner = _owner(cls, name)
        if owner is None:
            continue
        parameters = list(inspect.signature(published).parameters.values())
        needed = sum(
            one.kind is one.POSITIONAL_OR_KEYWORD and one.default is one.empty for one in parameters
        )
        calls = _KEYWORDS.get(name, _ALWAYS)
        yield from _calls(
            reported or cls, owner, name, _shown(published), needed - 1, calls, methods
        )


def _calls(
    reported: Any,
    owner: type,
    name: str,
    allowed: str,
    needed: int,
    calls: tuple[tuple[tuple[str, ...], frozenset[str]], ...],
    methods: Set[str],
) -> Iterator[Finding]:
    """Find the first reason why an override cannot be called in one of the ways."""
    found = inspect.getattr_static(owner, name)
    where = f"{place_of(getattr(found, '__func__', found))}: " if _has_code(found) else ""
    if not where and owner is not reported:
        where = f"{Place(owner)}: "
    if isinstance(found, property):
        yield Finding(
            f"{Place(owner)}: {name} is a property; allowed: a method, {allowed}.",
            # One that returns a function works.
            is_certain=False,
        )
        return
    if hasattr(type(found), "__get__") and not _has_code(found):
        # What it gives to an instance is not known here.
        return
    for keywords, of_methods in calls:
        if of_methods and not of_methods & methods:
            continue
        called = ["self"] * (not isinstance(found, staticmethod)) + ["value"] * needed
        reason = why_not_callable(getattr(found, "__func__", found), called, keywords)
        if reason:
            yield Finding(f"{where}{name} {reason}; allowed: {allowed}.")
            return


def _has_code(found: Any) -> bool:
    return isinstance(getattr(found, "__func__", found), FunctionType)


def _owner(cls: type, name: str) -> type | None:
    """Return the class of the application that has the method; ``None`` if it is the library."""
    owner = next((one for one in cls.__mro__ if name in vars(one)), None)
    return None if owner is None or owner.__module__.partition(".")[0] == "cliquet" else owner


def _shown(method: Callable[..., Any]) -> str:
    """Return the signature of a method as an author writes it, without types."""
    texts = [
        one.name if one.default is one.empty else f"{one.name}={_default(one.default)}"
        for one in inspect.signature(method).parameters.values()
    ]
    return f"{method.__name__}({', '.join(texts)})"


def _default(value: object) -> str:
    return str(value) if hasattr(value, "name") else repr(value)
