"""``cliquet check``: find what is wrong with a service before it is deployed."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from cliquet import settings
from cliquet.initialization.backends import is_in_memory
from cliquet.initialization.doubts import find_doubts
from cliquet.monitoring import logs
from cliquet.scripts import ini_mistakes, logged_steps
from cliquet.scripts.command import Command, CommandError, application, require_file, told
from cliquet.storage.exceptions import BackendError

__all__ = ["COMMAND", "Finding", "find"]

_NAME: Final = "__heartbeat__"
# A read of each kind of backend that needs its server and its tables, and that changes nothing.
_READS: Final[dict[str, Callable[[Any], object]]] = {
    "storage": lambda backend: backend.get_all(collection_id=_NAME, parent_id=_NAME, limit=1),
    "permission": lambda backend: backend.user_principals(_NAME),
    "cache": lambda backend: backend.get(_NAME),
}
# 128 bits as hexadecimal digits. Fewer different characters are a word, or a repeated one.
_SHORTEST_SECRET: Final = 32
_FEWEST_CHARACTERS: Final = 8


class Finding(NamedTuple):
    """What is wrong.

    Attributes
    ----------
    is_error : whether the service would not work, or would be unsafe.
    """

    is_error: bool
    text: str

    def __str__(self) -> str:
        return f"{'error' if self.is_error else 'warning'}: {self.text}"


def find(registry: Any) -> Iterator[Finding]:
    """Yield what is wrong with an application that has been made."""
    for kind in _READS:
        backend = getattr(registry, kind, None)
        if backend is not None:
            yield from _of_backend(registry, kind, backend)
    yield from _of_listeners(registry)
    yield from _of_secret(registry.settings)
    yield from _of_origins(registry)
    yield from _of_groups(registry.settings)
    for doubt in find_doubts(registry):
        yield Finding(False, str(doubt))


def _of_backend(registry: Any, kind: str, backend: Any) -> Iterator[Finding]:
    """Find that a server cannot be reached, and that tables or indexes are missing."""
    if is_in_memory(backend):
        yield Finding(
            False, f"{kind}_backend keeps its data in the memory of each process, and not longer."
        )
        return
    try:
        steps = _steps_to_do(registry, kind, backend)
        if not steps:
            _READS[kind](backend)
    except BackendError as error:
        yield Finding(True, f"{kind}: {told(error)}")
        return
    for step in steps:
        yield Finding(True, f"{kind}: `cliquet migrate` has to run: {step}")


def _steps_to_do(registry: Any, kind: str, backend: Any) -> list[str]:
    """Return what ``cliquet migrate`` would do for a backend."""
    with logged_steps.collected() as steps:
        backend.initialize_schema(dry_run=True)
        if kind == "storage":
            for name, functions in getattr(registry, "migrations", {}).items():
                backend.run_migrations(name, functions, dry_run=True)
    return [_in_words(step).removeprefix(f"{kind}: ") for step in steps]


def _in_words(entry: Mapping[str, Any]) -> str:
    words = logged_steps.in_words(entry)
    if words is not None:
        return words
    # A backend of another origin logs in words of its own.
    fields = (f"{name}={value}" for name, value in entry.items() if name != "event")
    return " ".join([str(entry["event"]), *fields])


def _of_listeners(registry: Any) -> Iterator[Finding]:
    """Find listeners whose server cannot be reached: they lose events, and no request fails."""
    for name, listener in getattr(registry, "event_listeners", {}).items():
        reach = getattr(listener, "reach", None)
        if reach is None:
            continue
        try:
            reach()
        # A listener of the application may raise anything.
        except Exception as error:
            yield Finding(True, f"event_listeners.{name}: {told(error)}")


def _of_secret(configured: dict[str, Any]) -> Iterator[Finding]:
    secret = settings.read(configured, "userid_hmac_secret")
    if secret and (len(secret) < _SHORTEST_SECRET or len(set(secret)) < _FEWEST_CHARACTERS):
        yield Finding(
            False,
            f"userid_hmac_secret can be guessed; allowed: {_SHORTEST_SECRET} random characters or "
            'more, such as those of python -c "import secrets; print(secrets.token_hex())". With '
            "another secret, users of Basic Auth lose their data.",
        )


def _of_origins(registry: Any) -> Iterator[Finding]:
    """Find plain services of Cornice whose scripts of any site may send credentials."""
    for service in getattr(registry, "cornice_services", {}).values():
        if not getattr(service, "cors_enabled", False):
            # Services of the library never let a browser send credentials.
            continue
        methods = [
            method
            for method in service.defined_methods
            if "*" in service.cors_origins_for(method)
            and service.cors_support_credentials_for(method)
        ]
        if methods:
            yield Finding(
                True,
                f"the service {service.name!r} lets pages of any site send {', '.join(methods)} "
                "with the credentials of their visitors; allowed: cors_credentials with named "
                "origins.",
            )


def _of_groups(configured: dict[str, Any]) -> Iterator[Finding]:
    """Find that the groups which users share cannot have an effect."""
    if not settings.read(configured, "groups_enabled"):
        return
    finder = "multiauth.groupfinder"
    if settings.read(configured, finder) != settings.SETTINGS[finder].default:
        yield Finding(
            False,
            f"groups_enabled is true, and {finder} is a function of your own: members have the "
            "principal of their group only if it returns registry.permission.user_principals().",
        )
    if not settings.read(configured, "group_create_principals"):
        yield Finding(
            False,
            "groups_enabled is true, and group_create_principals is empty: nobody can create a "
            "group but whom the permission backend gives group:create on /groups.",
        )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strict", action="store_true", help="fail because of warnings too")


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    ini = require_file(arguments, parser)
    # What the start would log is printed with the rest.
    logger = logging.getLogger(logs.LOGGER_NAME)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with application(ini) as registry:
            found = list(find(registry))
        found += [Finding(False, text) for text in ini_mistakes.unread_settings(ini)]
    finally:
        logger.setLevel(level)
    for finding in found:
        print(finding)
    errors = sum(finding.is_error for finding in found)
    if errors or (arguments.strict and found):
        raise CommandError(f"{ini}: {errors} errors, {len(found) - errors} warnings")


COMMAND = Command(
    "check", "find what is wrong with a service, for example in CI", _add_arguments, _run
)
