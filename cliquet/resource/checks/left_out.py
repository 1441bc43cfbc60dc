"""Hooks of an application that leave out what the library does in the hook that they replace.

What ``process_record`` leaves out, the library does itself. These two may be meant, and are doubts.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any, Final

from cliquet.core.mistakes import names_in, place_of
from cliquet.resource.checks.findings import Finding
from cliquet.resource.shareable import ShareableResource

__all__ = ["left_out"]

# What is lost, and the name in the code that shows that the author knows.
_LOST: Final = {
    "postprocess": ("no listener or subscriber is told", "notify_resource_event"),
    "_extract_filters": ("lists have the records that are not shared with the user", "shared_ids"),
}


def left_out(resource_cls: Any) -> Iterator[Finding]:
    """Find overrides whose code mentions neither ``super`` nor the hook of another class."""
    for name, (lost, known) in _LOST.items():
        if name == "_extract_filters" and not issubclass(resource_cls, ShareableResource):
            continue
        owner = next(one for one in resource_cls.__mro__ if name in vars(one))
        hook = vars(owner)[name]
        is_own = owner.__module__.partition(".")[0] != "cliquet"
        # What a decorator has made may call anything.
        if is_own and type(hook) is FunctionType and not hasattr(hook, "__wrapped__"):
            used = names_in(hook)
            if used.isdisjoint({"super", name, known}):
                yield Finding(
                    f"{place_of(hook)}: {name} does not call super().{name}(), so that {lost}; "
                    f"allowed: what may be meant, with {known} in its code.",
                    is_certain=False,
                )
