"""Events about records that were read or changed, for subscribers.

A resource collects the reads and changes of a request. The events are sent just before the commit,
and the ``After…`` events after it has succeeded. There is one event for each resource, parent and
action, however many records it concerns (X-9).
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, TypedDict, cast

from pyramid.config import Configurator
from pyramid.request import Request
from zope.interface import implementedBy

from cliquet import utils
from cliquet.core import announcing, jsonio
from cliquet.core.globs import exact
from cliquet.monitoring import logs
from cliquet.security import authorization
from cliquet.transactions.tweens import BeforeCommit
from cliquet.types import Record
from cliquet.web import wire

__all__ = [
    "ACTIONS",
    "AfterResourceChanged",
    "AfterResourceRead",
    "EventPayload",
    "ResourceChanged",
    "ResourceRead",
    "get_resource_events",
    "notify_resource_event",
    "setup_transaction_hook",
]


class ACTIONS(enum.Enum):
    """The actions on records."""

    CREATE = "create"
    DELETE = "delete"
    READ = "read"
    UPDATE = "update"

    @staticmethod
    def from_string_list(elements: Iterable[str | ACTIONS]) -> tuple[ACTIONS, ...]:
        """Return the members with these values; members stay as they are.

        Raises
        ------
        ValueError : one of `elements` is not an action.
        """
        return tuple(ACTIONS(element) for element in elements)


class EventPayload(TypedDict):
    """The members of ``payload`` that every event has.

    There are also the variables of the URL, for example ``forest_id``, which type checkers do not
    know: ``dict(event.payload)["forest_id"]``.

    Attributes
    ----------
    timestamp : that of the collection after the change, in ms.
    action : value of a member of :class:`ACTIONS`.
    uri : path of the request, without version.
    user_id : id of the user with the name of their policy.
    resource_name : name of the resource; ``None`` for a service that is none.
    """

    timestamp: int
    action: str
    uri: str
    user_id: str | None
    resource_name: str | None


class _ResourceEvent:
    """The attributes of all events.

    Attributes
    ----------
    request : the request that caused the event; the first one, if several were merged.
    payload : description of the event, with values that JSON has.
    """

    records_attribute: ClassVar[str]

    def __init__(
        self, action: ACTIONS, timestamp: int, records: list[Any], request: Request
    ) -> None:
        self.request = request
        setattr(self, self.records_attribute, records)
        matchdict = dict(request.matchdict or {})
        resource_name = request.current_resource_name
        # A service of the application that is not a resource has no name for the id.
        if resource_name is not None and "id" in matchdict:
            matchdict[f"{resource_name}_id"] = matchdict.pop("id")
        payload: dict[str, Any] = {
            # For methods that take patterns, a text of the client is always the name of one object
            #
            **{name: exact(value) for name, value in matchdict.items()},
            # These come last, so that no variable of the URL can replace them.
            "timestamp": timestamp,
            "action": action.value,
            # It is the object id of permissions, which has no mount point, but it is escaped.
            "uri": exact(utils.strip_uri_prefix(wire.escaped(request.path_info))),
            "user_id": request.prefixed_userid,
            "resource_name": resource_name,
        }
        self.payload = cast("EventPayload", payload)


class ResourceRead(_ResourceEvent):
    """Event before the commit: records were read, which are in ``read_records``."""

    records_attribute = "read_records"
    read_records: list[Record]


class ResourceChanged(_ResourceEvent):
    """Event before the commit: records were changed. An exception prevents the commit.

    ``impacted_records`` lists ``{"new": …}``, ``{"new": …, "old": …}`` or, for deletions,
    ``{"old": tombstone}``.
    """

    records_attribute = "impacted_records"
    impacted_records: list[dict[str, Record]]


class AfterResourceRead(_ResourceEvent):
    """The same as :class:`ResourceRead`, after the commit has succeeded."""

    records_attribute = "read_records"
    read_records: list[Record]


class AfterResourceChanged(_ResourceEvent):
    """The same as :class:`ResourceChanged`, after the commit has succeeded."""

    records_attribute = "impacted_records"
    impacted_records: list[dict[str, Record]]


_OF_READS = (ResourceRead, AfterResourceRead)
_EVENT_CLASSES = (ResourceRead, ResourceChanged, AfterResourceRead, AfterResourceChanged)


class Unread(NamedTuple):
    """Records that were read, in a text that nobody has parsed.

    Attributes
    ----------
    parse : returns the records.
    """

    parse: Callable[[], list[Record]]


@dataclass
class _Stacked:
    """One action of a request, or of a whole batch, on the collection of one parent."""

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
        """Return the timestamp, which is only read again if more records have changed."""
        if not callable(self.timestamp):
            return self.timestamp
        if self.known is None or self.known[1] != len(self.records):
            self.known = (self.timestamp(), len(self.records))
        return self.known[0]

    def event(self, *, after_commit: bool) -> _ResourceEvent:
        event_class = self.after_event_class if after_commit else self.event_class
        records = list(_each(self.records))
        return event_class(self.action, self.read_timestamp(), records, self.request)


def _each(records: Iterable[Any]) -> Iterator[Any]:
    for record in records:
        if type(record) is Unread:
            yield from record.parse()
        else:
            yield record


def _stack(request: Request) -> dict[tuple[Any, ...], _Stacked]:
    stack: dict[tuple[Any, ...], _Stacked] = request.bound_data.setdefault("resource_events", {})
    return stack


def notify_resource_event(
    request: Request,
    timestamp: int | Callable[[], int],
    data: Record | list[Record] | Unread,
    action: ACTIONS,
    old: Record | None = None,
    *,
    parent_id: str | None = None,
) -> None:
    """Collect an action on one or several records; this is a method of the request.

    Parameters
    ----------
    timestamp : timestamp of the collection after the change, in ms; or a function that reads it,
        which is only called if there is a subscriber.
    data : the record, or a list of them (read, delete).
    old : the record before an update.
    parent_id : parent of the collection; by default it is known by the variables of the URL.
    """
    parent: Any = parent_id
    if parent is None:
        matchdict = request.matchdict or {}
        parent = tuple(sorted(item for item in matchdict.items() if item[0] != "id"))
    # An action is found by its text, because an enumeration computes its hash in Python.
    key = (request.current_resource_name, parent, action._value_)
    stack = request.bound_data.setdefault("resource_events", {})  # as in `_stack`
    stacked = stack.get(key)
    if stacked is None:
        stacked = stack[key] = _Stacked(action, timestamp, request)
    for item in data if isinstance(data, list) else (data,):
        if action is ACTIONS.READ:
            stacked.records.append(item)
        elif action is ACTIONS.DELETE:
            stacked.records.append({"old": item})
        elif action is ACTIONS.CREATE or old is None:
            stacked.records.append({"new": item})
        else:
            stacked.records.append({"new": item, "old": old})


def changes_of(request: Request) -> list[_Stacked]:
    """Return what a request, or a whole batch, did to records so far."""
    # Without the step that binds data, there are no events.
    return list(getattr(request, "bound_data", {}).get("resource_events", {}).values())


def weigh_replaced(request: Request) -> int:
    """Return the bytes of the records that were replaced since the last call.

    Events keep these records until the end of the request, even if its answer does not show them.
    """
    size = 0
    # Without the step that binds data, there are no events.
    stack = getattr(request, "bound_data", {}).get("resource_events", {})
    for stacked in stack.values():
        if stacked.action is not ACTIONS.UPDATE:
            continue
        replaced = [record.get("old") for record in stacked.records[stacked.weighed :]]
        if replaced:
            # The records of an application may be any values.
            with contextlib.suppress(TypeError):
                size += jsonio.memory_bytes(jsonio.dumps(replaced))
        stacked.weighed = len(stacked.records)
    return size


def get_resource_events(request: Request, after_commit: bool = False) -> list[_ResourceEvent]:
    """Return the collected events in the order of their first occurrence."""
    return [stacked.event(after_commit=after_commit) for stacked in _stack(request).values()]


def snapshot(request: Request) -> dict[str, Any]:
    """Return the data of a request and its batch, which :func:`restore` puts back (X-23)."""
    bound_data = dict(request.bound_data)
    # The sub-request may itself write the permissions that it is then granted.
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


def are_reads_heard(request: Request) -> bool:
    """Return whether somebody may look at the records that a request reads."""
    registry = request.registry
    return (
        announcing.tells_in_its_own_way(registry)
        or _is_told_otherwise(request)
        or bool(registry.registrations.heard(_OF_READS))
    )


def are_changes_heard(request: Request) -> bool:
    """Return whether somebody may look at the changes of a request, or fail because of them."""
    return (
        _is_told_otherwise(request) or request.registry.registrations.listeners(BeforeCommit) != ()
    )


def _is_told_otherwise(request: Request) -> bool:
    """Return whether the application has replaced the method that collects actions."""
    return (
        type(request).notify_resource_event is not notify_resource_event
        or "notify_resource_event" in request.__dict__
    )


def setup_transaction_hook(config: Configurator) -> None:
    """Send the events of each request before and after its commit (P-22.1)."""
    announcing.subscribe(config, _before_commit, BeforeCommit)


@announcing.passes_on(*_EVENT_CLASSES)
def _before_commit(event: BeforeCommit) -> None:
    request = event.request
    # Without the step that binds data, events cannot be collected, and there are none.
    stack = getattr(request, "bound_data", {}).get("resource_events")
    if not stack:
        return
    registry = request.registry
    for stacked in list(stack.values()):
        is_wanted = _has_subscribers(request, stacked.event_class)
        if is_wanted or announcing.tells_in_its_own_way(registry):
            registry.notify(stacked.event(after_commit=False))
    told_later = [
        stacked
        for stacked in stack.values()
        if _has_subscribers(request, stacked.after_event_class)
    ]
    if not told_later:
        return
    for stacked in told_later:
        # It is read within the transaction, because later another request may have increased it
        #
        stacked.read_timestamp()
    if request.environ.get("tm.active"):
        request.tm.get().addAfterCommitHook(_after_commit, args=(request, told_later))
    else:
        # Transactions are switched off, so that everything is already committed.
        _after_commit(True, request, told_later)


def _after_commit(success: bool, request: Request, told: list[_Stacked]) -> None:
    if not success:
        return
    for stacked in told:
        event = stacked.event(after_commit=True)
        # Subscribers are called one by one, unlike in `registry.notify()`: if one fails, the others
        # must still get the event, because it is not sent again.
        for subscriber in _subscribers(request, type(event)):
            _notify_safely(subscriber, event)


def _notify_safely(subscriber: Callable[[_ResourceEvent], None], event: _ResourceEvent) -> None:
    try:
        subscriber(event)
    except Exception:
        # The request is committed, so that an error must not change the response any more
        # (P-21.10).
        logs.logger.error("Unable to notify", exc_info=True)


def _has_subscribers(request: Request, event_class: type[_ResourceEvent]) -> bool:
    return bool(_subscribers(request, event_class))


def _subscribers(
    request: Request, event_class: type[_ResourceEvent]
) -> list[Callable[[_ResourceEvent], None]]:
    # zope.interface caches the result, which is cheaper than an event without subscribers.
    found: list[Callable[[_ResourceEvent], None]] = request.registry.adapters.subscriptions(
        (implementedBy(event_class),), None
    )
    return found
