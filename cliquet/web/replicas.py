"""Decides for each request, before anything is read, whether it may read from replicas (E-22).

It also tells clients what they have written, so that they can show it with their next reads.
"""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.events import BeforeTraversal
from pyramid.request import Request
from pyramid.response import Response
from pyramid.threadlocal import manager

from cliquet.core.announcing import told_once
from cliquet.events import ACTIONS, changes_of
from cliquet.transactions import reading
from cliquet.transactions.tweens import BeforeCommit
from cliquet.web.known_state import BOOKMARK, known_to

__all__ = ["let_requests_read_replicas"]

# Name in the environment of a request.
_NOTED = "cliquet.bookmark"


def let_requests_read_replicas(config: Configurator) -> None:
    """Add what this module does to an application, once."""
    if not getattr(config.registry, "reads_replicas", False):
        config.registry.reads_replicas = True
        config.add_subscriber(_decide, BeforeTraversal)
        config.add_subscriber(_note_bookmark, BeforeCommit)


@told_once
def _decide(event: BeforeTraversal) -> None:
    request = event.request
    if getattr(request, "parent", None) is not None or len(manager.stack) > 1:
        # It is part of another request, and reads where that one reads.
        return
    known = known_to(request)
    if known is None:
        reading.end()
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            request.add_response_callback(_add_bookmark)
        return
    reading.begin(known)
    request.add_finished_callback(_end)


def _end(_request: Request) -> None:
    reading.end()


def _note_bookmark(event: BeforeCommit) -> None:
    """Keep the latest timestamp of the collections that a request, or a batch, has changed.

    It is that of the collection, because a client may give a record one of the past. It is read
    under the lock of the collection, which knows it.
    """
    request = event.request
    changes = [one for one in changes_of(request) if one.action is not ACTIONS.READ]
    if changes:
        request.environ[_NOTED] = max(one.read_timestamp() for one in changes)


def _add_bookmark(request: Request, response: Response) -> None:
    """Tell the client what to send in order to see what it has written."""
    noted = request.environ.pop(_NOTED, None)
    if noted is not None and response.status_code < 400:
        response.headers[BOOKMARK] = str(noted)
