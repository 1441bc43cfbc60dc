"""What the backends say of their steps in the log, for commands that print it in words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from cliquet.core.lazy import LazyModule
from cliquet.monitoring import logs
from cliquet.monitoring.entries import Renderer

if TYPE_CHECKING:
    import structlog
else:
    structlog = LazyModule("structlog")

__all__ = ["collected", "in_words", "told"]

_WORDS: Final[Mapping[str, str]] = {
    "schema.created": "{schema}: tables made, version {version}",
    "schema.to_create": "{schema}: tables would be made, version {version}",
    "schema.migrated": "{schema}: upgraded to version {version}",
    "schema.to_migrate": "{schema}: {file} would be run",
    "migration.done": "{migration}: version {version} done",
    "migration.to_run": "{migration}: version {version} would be run",
    "index.create": "storage: an index on {field} of {collection} {is_or_would_be} made",
    "distribution.function": "storage: {function} {is_or_would_be} taken to all servers",
    "distribution.reference": "the table {table} {is_or_would_be} copied to all servers",
    "distribution.table": "the table {table} {is_or_would_be} spread by {column}",
    "index.replace": "storage: the index {index} {is_or_would_be} made",
    "index.drop": "storage: the index {index} {is_or_would_be} dropped",
}


@contextmanager
def collected() -> Iterator[list[Mapping[str, Any]]]:
    """Give all log entries of a block, which are not written."""
    found: list[Mapping[str, Any]] = []

    def collect(logger: Any, method: str, entry: MutableMapping[str, Any]) -> str:
        found.append(dict(entry))
        raise structlog.DropEvent

    with _rendered_by(collect):
        yield found


@contextmanager
def told(renderer: Renderer | None, tell: Callable[[str], None]) -> Iterator[None]:
    """Tell each step of a block in words, as soon as it is logged, instead of writing it.

    Parameters
    ----------
    renderer : that of the service, for all other entries; ``None`` as long as it has none.
    """

    def collect(logger: Any, method: str, entry: MutableMapping[str, Any]) -> Any:
        words = in_words(entry)
        if words is None:
            if renderer is None:
                return str(entry.get("event", ""))
            return renderer(logger, method, entry)
        tell(words)
        raise structlog.DropEvent

    with _rendered_by(collect):
        yield


def in_words(entry: Mapping[str, Any]) -> str | None:
    """Return what a log entry says of a step; ``None`` if it is about something else."""
    words = _WORDS.get(str(entry.get("event")))
    if words is None:
        return None
    return words.format(is_or_would_be="would be" if entry.get("dry_run") else "is", **entry)


@contextmanager
def _rendered_by(renderer: Renderer) -> Iterator[None]:
    logger = logging.getLogger(logs.LOGGER_NAME)
    level = logger.level
    # Steps have the level INFO, whatever the service writes.
    if not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
    try:
        with logs.using(renderer):
            yield
    finally:
        logger.setLevel(level)
