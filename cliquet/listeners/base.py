"""What a listener is: something that is called with each event it asked for."""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = ["ListenerBase"]


class ListenerBase:
    """Base class of listeners; to derive from it is not required (P-23.1, P-23.2).

    A listener is made by the function ``load_from_config(config, prefix)`` of its module, from the
    settings whose names begin with ``prefix``.
    """

    after_commit: ClassVar[bool] = False
    """Whether it acts outside the request's transaction, hence is called once that has succeeded.

    Called before, it would tell of changes that are undone when the commit fails, and tell twice of
    those of a request that is run again (P-34.6). The setting
    ``event_listeners.{name}.before_commit`` asks for it nevertheless. Any object may have this
    attribute; without it the answer is no.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, event: Any) -> None:
        """Do something about an event.

        Raises
        ------
        NotImplementedError : the class derived does not say what.
        """
        raise NotImplementedError
