"""The base class of listeners, which are called with each event that they asked for."""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = ["ListenerBase"]


class ListenerBase:
    """Base class of listeners; a listener need not derive from it.

    A listener is made by the function ``load_from_config(config, prefix)`` of its module, from the
    settings whose names begin with ``prefix``.
    """

    after_commit: ClassVar[bool] = False
    """Whether the listener is called after the commit, because it acts outside the transaction.

    If it were called before the commit, it would report changes that are undone when the commit
    fails, and would report the changes of a request twice when the request is run again (P-34.6).
    The setting ``event_listeners.{name}.before_commit`` allows this nevertheless. Any object may
    have this attribute; an object without it is called before the commit.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, event: Any) -> None:
        """Do something about an event.

        Raises
        ------
        NotImplementedError : the derived class does not define this method.
        """
        raise NotImplementedError
