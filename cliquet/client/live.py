"""Follows the changes of a collection: by a stream of events, else by requests that wait (E-14)."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Final, NamedTuple

import httpx

from cliquet.client.pulling import Pull
from cliquet.client.replica import Record
from cliquet.client.service import ClientError, error_of, pause_of
from cliquet.client.told import Change

__all__ = ["follow"]

_WAIT_SECONDS: Final = 50
_POLL_SECONDS: Final = 5.0
_MAX_PAUSE_SECONDS: Final = 30.0


class _Event(NamedTuple):
    name: str
    data: str


def follow(pull: Pull, stop: threading.Event) -> Generator[Change, None, None]:
    """Yield each change after it was kept, until an event is set.

    Raises
    ------
    ClientError : the service refuses for good: the credentials are wrong, for example.
    """
    failures = 0
    while not stop.is_set():
        try:
            yield from pull.all_changes()
            yield from _stream(pull, stop)
            failures = 0
        except httpx.TransportError:
            failures += 1
        except ClientError as error:
            if error.status not in (429, 500, 502, 503, 504):
                raise
            failures += 1
        if failures:
            pause = min(2.0 ** (failures - 2), _MAX_PAUSE_SECONDS)
            # Many clients do not come back at the same moment.
            stop.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


def _stream(pull: Pull, stop: threading.Event) -> Iterator[Change]:
    token = pull.told.progress().token or ""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    with pull.service.stream(pull.query(token), headers) as response:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if response.status_code == 200 and kind == "text/event-stream":
            yield from _events(pull, response.iter_lines(), stop)
            return
        response.read()
    if response.status_code == 503:
        # There are as many streams as the service serves.
        stop.wait(pause_of(response, _POLL_SECONDS))
    elif response.status_code not in (200, 406, 410):
        raise error_of(response)
    yield from _wait(pull, stop)


def _events(pull: Pull, lines: Iterable[str], stop: threading.Event) -> Iterator[Change]:
    items: list[Record] = []
    walk = pull.told.progress().walk
    for event in _parse(lines):
        if stop.is_set():
            return
        if event.name == "change":
            items.append(json.loads(event.data))
        elif event.name == "checkpoint":
            token = json.loads(event.data)["token"]
            since = pull.told.progress()
            changes = None
            if since.walk == walk:
                changes = pull.told.apply(items, since=since, token=token, page=since.page)
            if changes is None:
                # Another thread has started again, and the stream goes on from before.
                return
            yield from changes
            items = []
        elif event.name == "reset":
            pull.start_again(ClientError(410, {"details": json.loads(event.data)}, "reset"))
            return
        elif event.name == "end":
            body = json.loads(event.data)
            raise ClientError(_status(body), body, str(body.get("message")))


def _parse(lines: Iterable[str]) -> Iterator[_Event]:
    """Read events, and empty ones for comments, which only say that the connection lives."""
    name = "message"
    data: list[str] = []
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line and data:
            yield _Event(name, "\n".join(data))
            name, data = "message", []
        elif not field:
            yield _Event("", "")
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)


def _status(body: dict[str, Any]) -> int:
    code = body.get("code")
    return code if isinstance(code, int) else 503


def _wait(pull: Pull, stop: threading.Event) -> Iterator[Change]:
    """Ask once for what changes in the next time."""
    changes, _ = pull.page({"Prefer": f"wait={_WAIT_SECONDS}"})
    yield from changes
    if not changes:
        stop.wait(_POLL_SECONDS)
