"""Applications that many tests send requests to, one after the other, emptied before each test.

Making an application takes fifty times as long as an ordinary request: tests that each made their
own spent most of their time so. A module of tests shares them by importing `make_app` from here;
whether a test gets a new one or one that others have used must make no difference to it. A test of
what happens when an application is made imports the function of the same name of
`cliquet.testing.web`.
"""

import contextlib
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from pyramid.config import Configurator
from webtest import TestApp

from cliquet.testing import web

BACKENDS = ("storage", "permission", "cache")
# The tests of a module run one after the other, and differ in few ways.
MOST_KEPT = 24

# Methods are equal if those that they belong to are one.
COMPARED = (str, bytes, int, float, types.MethodType, types.BuiltinMethodType)


@dataclass
class _Kept:
    """An application, and what it was asked for with."""

    wish: object
    app: Any
    state: object = field(init=False)

    def __post_init__(self) -> None:
        self.state = state_of(self.app.registry)

    @property
    def is_as_new(self) -> bool:
        return self.state == state_of(self.app.registry)


class SharedApps:
    """Lends applications to one test at a time.

    One is lent again when it was taken back and is asked for in the same words, unless a test has
    changed its registry, its settings or the methods of its backends and not put them back. Who has
    patched something before asking gets another one, and so does a fixture of a module.
    """

    def __init__(self) -> None:
        self._free: list[_Kept] = []
        self._lent: list[_Kept] = []
        self._outlives_tests = False
        self._monkeypatch: Any = None

    def make_app(
        self,
        resources: Iterable[type | tuple[type, Mapping[str, Any]]] = (),
        *,
        settings: Mapping[str, Any] | None = None,
        configure: Callable[[Configurator], None] | None = None,
        **kwargs: Any,
    ) -> TestApp:
        """Return a client without cookies of an application whose backends are empty.

        The parameters are those of :func:`cliquet.testing.web.make_app`.
        """
        resources = list(resources)
        settings = {**web.MEMORY_BACKENDS, **(settings or {})}

        def make() -> TestApp:
            return web.make_app(resources, settings=settings, configure=configure, **kwargs)

        # Another database is one of the test, which may leave it without tables, or drop it.
        if any(settings[name] != value for name, value in web.MEMORY_BACKENDS.items()):
            return make()
        return self._lend((resources, _exactly(settings), _identity(configure), kwargs), make)

    def fresh(self, make: Callable[[], TestApp]) -> TestApp:
        """Return what a function of a module makes, or has made before."""
        return self._lend((make, dict(web.MEMORY_BACKENDS)), make)

    def _lend(self, wish: object, make: Callable[[], TestApp]) -> TestApp:
        if self._outlives_tests or self._is_patched():
            return make()
        kept = self._find(wish)
        if kept is None:
            kept = _Kept(wish, make().app)
        else:
            empty(kept.app.registry)
        self._lent.append(kept)
        return TestApp(kept.app)

    def _find(self, wish: object) -> _Kept | None:
        for kept in self._free:
            if kept.wish == wish:
                self._free.remove(kept)
                return kept if kept.is_as_new else None
        return None

    def _is_patched(self) -> bool:
        """Return whether the test has replaced something that the application might be made of."""
        patch = self._monkeypatch
        if patch is None:
            return False
        return bool(patch._setattr or patch._setitem or patch._savesyspath or patch._cwd)

    @contextlib.contextmanager
    def lending(self, monkeypatch: pytest.MonkeyPatch | None = None) -> Iterator[None]:
        """Lend to a test, which may have a fixture of that name; take back what it was lent."""
        self._monkeypatch = monkeypatch
        try:
            yield
        finally:
            self._monkeypatch = None
            for kept in self._lent:
                # The first stream of an application makes this, and it has the threads of the test.
                vars(kept.app.registry).pop("feed", None)
            self._free = [*self._lent, *self._free][:MOST_KEPT]
            self._lent = []

    @contextlib.contextmanager
    def giving_away(self) -> Iterator[None]:
        """Let what asks for applications meanwhile keep them, since it outlives a test."""
        before, self._outlives_tests = self._outlives_tests, True
        try:
            yield
        finally:
            self._outlives_tests = before


def empty(registry: Any) -> None:
    for name in BACKENDS:
        # Tests may make one without backends, or with stand-ins that cannot be emptied.
        flush = getattr(getattr(registry, name, None), "flush", None)
        if flush is not None:
            flush()


def state_of(registry: Any) -> object:
    """Return what requests do not change, and tests put back."""
    methods = {
        (name, key): value
        for name in BACKENDS
        for key, value in getattr(getattr(registry, name, None), "__dict__", {}).items()
        if callable(value)
    }
    # These grow where they stand. Others do so too, as the caches that requests fill.
    registrations = {
        name: value.copy()
        for name, value in vars(registry).items()
        if name.endswith("_registrations")
    }
    return {**vars(registry), **registrations}, dict(registry), dict(registry.settings), methods


def _exactly(settings: Mapping[str, Any]) -> object:
    """Return settings in a form in which 1 and True are not the same."""
    return {name: (type(value), value) for name, value in settings.items()}


def _identity(function: object) -> object:
    """Return what two functions share if they do the same with the same objects.

    Most are defined inside the helper that makes the application, anew in each call.
    """
    if not isinstance(function, types.FunctionType):
        return function
    try:
        cells = [_Same(cell.cell_contents) for cell in function.__closure__ or ()]
    except ValueError:
        # It has a name that gets its value later.
        return object()
    # Code of two modules is equal where it stands in the same line.
    cells.append(_Same(function.__globals__))
    return function.__code__, function.__defaults__, function.__kwdefaults__, cells


@dataclass(eq=False)
class _Same:
    """Something that equals itself only, as an empty list does not; and text, and methods of it."""

    value: object

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same):
            return NotImplemented
        if isinstance(self.value, types.FunctionType):
            return _identity(self.value) == _identity(other.value)
        if self.value is other.value:
            return True
        return isinstance(self.value, COMPARED) and (
            (type(self.value), self.value) == (type(other.value), other.value)
        )


SHARED = SharedApps()
make_app = SHARED.make_app
