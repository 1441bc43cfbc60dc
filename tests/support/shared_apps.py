"""Applications that many tests send requests to, one after the other, emptied before each test.

Making an application takes fifty times as long as an ordinary request: tests that each made their
own spent most of their time so.
"""

from collections.abc import Callable
from typing import Any

from webtest import TestApp

from cliquet.testing.web import MEMORY_BACKENDS

BACKENDS = ("storage", "permission", "cache")


class SharedApps:
    """Gives the application of a function that makes one; its backends are empty.

    It is made anew when a test has changed its registry, its settings or the methods of its
    backends and not put them back, or when the tests run on other backends than before.
    """

    def __init__(self) -> None:
        self._made: dict[Callable[[], TestApp], tuple[TestApp, Any]] = {}

    def fresh(self, make: Callable[[], TestApp]) -> TestApp:
        """Return a client without cookies, of an application that nobody has used.

        Parameters
        ----------
        make : function of a module; it takes nothing and returns a client of a new application.
        """
        client, state = self._made.get(make, (None, None))
        if client is None or state != state_of(client):
            client = make()
            self._made[make] = client, state_of(client)
        registry = client.app.registry
        for name in BACKENDS:
            getattr(registry, name).flush()
        client.reset()
        return client


def state_of(client: TestApp) -> tuple[dict[Any, Any], ...]:
    """Return what requests do not change, and tests put back."""
    registry = client.app.registry
    methods = {
        (name, key): value
        for name in BACKENDS
        for key, value in vars(getattr(registry, name)).items()
        if callable(value)
    }
    return dict(MEMORY_BACKENDS), dict(vars(registry)), dict(registry.settings), methods
