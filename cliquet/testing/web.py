"""Applications for tests: a service with memory backends, and a client for it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from pyramid.config import Configurator
from webtest import TestApp

from cliquet.initialization import initialize
from cliquet.resource import register_resource

__all__ = ["MEMORY_BACKENDS", "add_resource", "basic_auth", "make_app"]

MEMORY_BACKENDS = {
    "storage_backend": "cliquet.storage.memory",
    "cache_backend": "cliquet.cache.memory",
    "permission_backend": "cliquet.permission.memory",
}


def basic_auth(username: str = "mat", password: str = "1") -> dict[str, str]:  # noqa: S107 - any will do
    """Return the headers of a user; any pair of credentials is a user."""
    credentials = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {credentials}"}


def add_resource(config: Configurator, resource_cls: type, **kwargs: Any) -> None:
    """Serve a resource class without scanning its module.

    Parameters
    ----------
    kwargs : keyword arguments of :func:`cliquet.resource.register`.
    """
    callback = register_resource(resource_cls, **kwargs)
    callback(SimpleNamespace(config=config), resource_cls.__name__, resource_cls)


def make_app(
    resources: Iterable[type | tuple[type, Mapping[str, Any]]] = (),
    *,
    settings: Mapping[str, Any] | None = None,
    configure: Callable[[Configurator], None] | None = None,
    version: str | None = "0.0.1",
    project_name: str = "testapp",
) -> TestApp:
    """Return a client of a new application, by default with memory backends (E-8.1).

    Parameters
    ----------
    resources : classes to serve, or pairs of a class and the keywords of its registration.
    settings : settings as in the file of an application.
    configure : is called with the configurator after the set-up of the library.
    version, project_name : arguments of :func:`cliquet.initialize`.

    Returns
    -------
    A WebTest client; ``client.app.registry`` is the registry of the application.
    """
    config = Configurator(settings={**MEMORY_BACKENDS, **(settings or {})})
    initialize(config, version=version, project_name=project_name)
    for resource in resources:
        resource_cls, kwargs = resource if isinstance(resource, tuple) else (resource, {})
        add_resource(config, resource_cls, **kwargs)
    if configure is not None:
        configure(config)
    return TestApp(config.make_wsgi_app())
