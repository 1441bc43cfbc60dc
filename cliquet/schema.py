"""The former address of :class:`cliquet.resource.ResourceSchema` (P-17.9)."""

from __future__ import annotations

import copy
import warnings
from typing import Any

from cliquet.resource import schema

__all__ = ["ResourceSchema"]


class ResourceSchema(schema.ResourceSchema):
    """Deprecated: use :class:`cliquet.resource.ResourceSchema`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            "cliquet.schema is now deprecated. Please use `cliquet.resource.schema` instead",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(*args, **kwargs)

    def clone(self) -> ResourceSchema:
        """Return a copy without another warning, because the library itself copies schemas."""
        cloned = copy.copy(self)
        cloned.children = [node.clone() for node in self.children]
        return cloned
