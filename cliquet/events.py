"""What happens to records, told to whoever subscribes.

A resource stacks what a request read and changed; the events are sent once, just before the
commit, and their ``After…`` counterparts once it has succeeded. There is one event per resource,
parent and action (X-9), however many records it concerns.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pyramid.config import Configurator
from pyramid.request import Request
from zope.interface import implementedBy

from cliquet import utils
from cliquet.core import jsonio
from cliquet.core.globs import exact
from cliquet.monitoring import logs
from cliquet.security import authorization
from cliquet.types import Record
from cliquet.web import wire
from cliquet.web.transactions import BeforeCommit

__all__ = [
    "ACTIONS",
    "AfterResourceChanged",
    "AfterResourceRead",
    "ResourceChanged",
    "ResourceRead",
    "get_resource_events",
    "notify_resource_event",
    "setup_transaction_hook",
]


class ACTIONS(enum.Enum):
    """What was done to records (P-21.1)."""

    CREATE = "create"
    DELETE = "delete"
    READ = "read"
    UPDATE = "update"

    @staticmethod
    def from_string_list(elements: Iterable[str | ACTIONS]) -> tuple[ACTIONS, ...]:
        """Return the members named by their values; members pass through.

        Raises
        ------
        ValueError : one of `elements` is not an action.
        """
        return tuple(ACTIONS(element) for element in elements)


class _ResourceEvent:
    """What all events have (P-21.2, P-21.3).

    Attributes
    ----------
    request : the request that caused the event; the first one, when several were merged.
    payload : what happened, as JSON can carry it.
    """

    records_attribute: ClassVar[str]

    def __init__(
        self, action: ACTIONS, timestamp: int, records: list[Any], request: Request
    ) -> None:
        self.request = request
        setattr(self, self.records_attribute, records)
        matchdict = dict(request.matchdict or {})
        resource_name = request.current_resource_name
        # A service of the application's that is no resource has no name to give to the id.
        if resource_name is not None and "id" in matchdict:
            matchdict[f"{resource_name}_id"] = matchdict.pop("id")
        self.payload: dict[str, Any] = {
            # What the client wrote names one object, to the methods that take patterns.
            **{name: exact(value) for name, value in matchdict.items()},
            # Last, so that no variable of the URL can take their place (P-34.5).
            "timestamp": timestamp,
            "action": action.value,
            # As permissions name it, which know nothing of mounts (P-25.8), but escaped.
            "uri": exact(utils.strip_uri_prefix(wire.escaped(request.path_info))),
            "user_id": request.prefixed_userid,
            "resource_name": resource_name,
        }


class ResourceRead(_ResourceEvent):
    """Records were read; sent before the commit. They are in ``read_records``."""

    records_attribute = "read_records"
    read_records: list[Record]


class ResourceChanged(_ResourceEvent):
    """Records were changed; sent before the commit, which an exception prevents.

    ``impacted_records`` lists ``{"new": …}``, ``{"new": …, "old": …}`` or, for deletions,
    ``{"old": tombstone}`` (P-21.4).
    """

    records_attribute = "impacted_records"
    impacted_records: list[dict[str, Record]]


class AfterResourceRead(_ResourceEvent):
    """As :class:`ResourceRead`, once the commit has succeeded."""

    records_attribute = "read_records"
    read_records: list[Record]


class AfterResourceChanged(_ResourceEvent):
    """As :class:`ResourceChanged`, once the commit has succeeded."""

    records_attribute = "impacted_records"
    impacted_records: list[dict[str, Record]]


@dataclass
class _Stacked:
    """What one request, batch included, did to one parent's collection of a resource."""

    action: ACTIONS
    timestamp: int | Callable[[], int]
    request: Request
    records: list[Any] = field(default_factory=list)
    known: tuple[int, int] | None = None
    """A timestamp that was read, and the number of records that it covers."""
    weighed: int = 0
    """Number of records that :func:`weigh_replaced` has counted."""

    @property
    def event_class(self) -> type[_ResourceEvent]:
        return ResourceRead if self.action is ACTIONS.READ else ResourceChanged

    @property
    def after_event_class(self) -> type[_ResourceEvent]:
        return AfterResourceRead if self.action is ACTIONS.READ else AfterResourceChanged

    def read_timestamp(self) -> int:
        """Return the timestamp; it is read again only if more records were changed since."""
        if not callable(self.timestamp):
            return self.timestamp
        if self.known is None or self.known[1] != len(self.records):
            self.known = (self.timestamp(), len(self.records))
        return self.known[0]

    def event(self, *, after_commit: bool) -> _ResourceEvent:
        event_class = self.after_event_class if after_commit else self.event_class
        return event_class(self.action, self.read_timestamp(), list(self.records), self.request)


def _stack(request: Request) -> dict[tuple[Any, ...], _Stacked]:
    stack: dict[tuple[Any, ...], _Stacked] = request.bound_data.setdefault("resource_events", {})
    return stack


def notify_resource_event(
    request: Request,
    timestamp: int | Callable[[], int],
    data: Record | list[Record],
    action: ACTIONS,
    old: Record | None = None,
    *,
    parent_id: str | None = None,
) -> None:
    """Stack what was done to one or several records (P-21.6), as a method of the request.

    Parameters
    ----------
    timestamp : of the collection after the change, in ms; or a function that reads it, called only
        when somebody listens.
    data : the record, or a list of them (read, delete).
    old : the record before an update.
    parent_id : of the collection; default the variables of the URL stand for it.
    """
    parent: Any = parent_id
    if parent is None:
        matchdict = request.matchdict or {}
        parent = tuple(sorted(item for item in matchdict.items() if item[0] != "id"))
    key = (request.current_resource_name, parent, action)
    stacked = _stack(request).get(key)
    if stacked is None:
        stacked = _stack(request)[key] = _Stacked(action, timestamp, request)
    items = data if isinstance(data, list) else [data]
    if action is ACTIONS.READ:
        stacked.records.extend(items)
    elif action is ACTIONS.DELETE:
        stacked.records.extend({"old": item} for item in items)
    elif action is ACTIONS.CREATE or old is None:
        stacked.records.extend({"new": item} for item in items)
    else:
        stacked.records.extend({"new": item, "old": old} for item in items)


def weigh_replaced(request: Request) -> int:
    """Return the bytes of the records that were replaced since the last call.

    Events keep them until the request is over, whatever its answer shows.
    """
    size = 0
    # Without the step that binds data there are no events (S-5.1).
    stack = getattr(request, "bound_data", {}).get("resource_events", {})
    for stacked in stack.values():
        if stacked.action is not ACTIONS.UPDATE:
            continue
        for record in stacked.records[stacked.weighed :]:
            # An application may notify of anything.
            with contextlib.suppress(TypeError):
                size += len(jsonio.dumps(record.get("old")))
        stacked.weighed = len(stacked.records)
    return size


def get_resource_events(request: Request, after_commit: bool = False) -> list[_ResourceEvent]:
    """Return an event for each thing stacked, in order of first occurrence (P-21.8)."""
    return [stacked.event(after_commit=after_commit) for stacked in _stack(request).values()]


def snapshot(request: Request) -> dict[str, Any]:
    """Return the data bound to a request tree, as :func:`restore` puts it back (X-23)."""
    bound_data = dict(request.bound_data)
    # What is granted within the sub-request may be by what it wrote itself.
    authorization.forget_granted(bound_data)
    stack = bound_data.get("resource_events")
    if stack is not None:
        bound_data["resource_events"] = {
            key: replace(stacked, records=list(stacked.records)) for key, stacked in stack.items()
        }
    return bound_data


def restore(request: Request, bound_data: dict[str, Any]) -> None:
    """Forget the events and cached data of a sub-request that was rolled back."""
    request.bound_data.clear()
    request.bound_data.update(bound_data)


def setup_transaction_hook(config: Configurator) -> None:
    """Send the events of each request around its commit (P-22.1)."""
    config.add_subscriber(_before_commit, BeforeCommit)


def _before_commit(event: BeforeCommit) -> None:
    request = event.request
    # Without the step that binds data there is nowhere to stack events, hence none (S-5.1).
    stack = getattr(request, "bound_data", {}).get("resource_events")
    if not stack:
        return
    for stacked in list(stack.values()):
        if _has_subscribers(request, stacked.event_class):
            request.registry.notify(stacked.event(after_commit=False))
    told_later = [
        stacked
        for stacked in stack.values()
        if _has_subscribers(request, stacked.after_event_class)
    ]
    if not told_later:
        return
    for stacked in told_later:
        # Within the transaction: afterwards another request may have raised it.
        stacked.read_timestamp()
    if request.environ.get("tm.active"):
        request.tm.get().addAfterCommitHook(_after_commit, args=(request, told_later))
    else:
        # Transactions are switched off: everything is committed already.
        _after_commit(True, request, told_later)


def _after_commit(success: bool, request: Request, told: list[_Stacked]) -> None:
    if not success:
        return
    for stacked in told:
        event = stacked.event(after_commit=True)
        # One by one, unlike `registry.notify()`: a subscriber that fails must not keep the event
        # from the others, since nobody would try again.
        for subscriber in _subscribers(request, type(event)):
            _notify_safely(subscriber, event)


def _notify_safely(subscriber: Callable[[_ResourceEvent], None], event: _ResourceEvent) -> None:
    try:
        subscriber(event)
    except Exception:
        # The response is committed: nothing may change it any more (P-21.10).
        logs.logger.error("Unable to notify", exc_info=True)


def _has_subscribers(request: Request, event_class: type[_ResourceEvent]) -> bool:
    return bool(_subscribers(request, event_class))


def _subscribers(
    request: Request, event_class: type[_ResourceEvent]
) -> list[Callable[[_ResourceEvent], None]]:
    # Cached by zope.interface: cheaper than the event that nobody would look at.
    found: list[Callable[[_ResourceEvent], None]] = request.registry.adapters.subscriptions(
        (implementedBy(event_class),), None
    )
    return found
