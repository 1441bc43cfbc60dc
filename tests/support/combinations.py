"""Applications on each storage with each permission backend, for tests of what they do together."""

import contextlib
from collections.abc import Iterator
from typing import Any

from servers.postgresql import new_database
from servers.processes import temporary_folder

from support.shared_apps import make_app
from support.sharing import Toadstool

FAMILIES = ("memory", "sqlite", "postgresql", "redis")
# The permissions beside the records, in their transaction; or elsewhere.
TOGETHER = [(family, family, True) for family in ("memory", "sqlite", "postgresql")]
APART = [(storage, permission, False) for storage in FAMILIES for permission in FAMILIES]
COMBINATIONS = [*TOGETHER, *(pair for pair in APART if pair[:2] != ("memory", "memory"))]


def name_of(combination: Any) -> str:
    storage, permission, is_together = combination
    return f"{storage}-{permission}{'-together' if is_together else ''}"


@contextlib.contextmanager
def backend_settings(combination: Any, request: Any) -> Iterator[dict[str, Any]]:
    """Give the settings of empty backends."""
    storage, permission, is_together = combination
    with contextlib.ExitStack() as stack:

        def url(kind: Any, family: Any) -> Any:
            if family == "postgresql":
                server = request.getfixturevalue("postgresql_server")
                return stack.enter_context(new_database(server))
            if family == "sqlite":
                folder = stack.enter_context(temporary_folder("sqlite", in_memory=True))
                return f"sqlite:///{folder}/{kind}.db"
            if family == "redis":
                server = request.getfixturevalue("redis_server")
                return f"{server}/{4 if kind == 'storage' else 5}"
            return ""

        storage_url = url("storage", storage)
        yield {
            "storage_backend": f"cliquet.storage.{storage}",
            "storage_url": storage_url,
            "permission_backend": f"cliquet.permission.{permission}",
            "permission_url": storage_url if is_together else url("permission", permission),
        }


@contextlib.contextmanager
def running_combination(
    combination: Any,
    request: Any,
    *,
    resources: Any = (Toadstool,),
    configure: Any = None,
    **settings: Any,
) -> Iterator[Any]:
    """Give a client of an application on such backends, whose schemas are made."""
    with backend_settings(combination, request) as backends:
        configured = {
            **backends,
            "toadstool_create_principals": "system.Authenticated",
            **settings,
        }
        app = make_app(resources, settings=configured, configure=configure)
        registry = app.app.registry
        for backend in (registry.storage, registry.permission):
            backend.initialize_schema()
            backend.flush()
        yield app
        for backend in (registry.storage, registry.permission):
            dispose = getattr(getattr(backend, "client", None), "dispose", None)
            if dispose is not None:
                dispose()
