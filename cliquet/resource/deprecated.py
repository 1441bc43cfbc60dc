"""Former names of the resource classes; a subclass of one of them gives a warning (P-32)."""

from __future__ import annotations

from cliquet.resource.shareable import ShareableResource
from cliquet.resource.user import UserResource
from cliquet.utils import DeprecatedMeta

__all__ = ["BaseResource", "ProtectedResource"]


class BaseResource(UserResource, metaclass=DeprecatedMeta):
    """Deprecated: use :class:`cliquet.resource.UserResource`."""

    __deprecation_warning__ = "BaseResource is deprecated. Use UserResource instead."


class ProtectedResource(ShareableResource, metaclass=DeprecatedMeta):
    """Deprecated: use :class:`cliquet.resource.ShareableResource`."""

    __deprecation_warning__ = "ProtectedResource is deprecated. Use ShareableResource instead."
