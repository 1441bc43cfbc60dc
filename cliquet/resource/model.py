"""The models under their published address."""

from cliquet.resource.shareable_model import ShareableModel
from cliquet.resource.user_model import Model
from cliquet.utils import DeprecatedMeta

__all__ = ["Model", "ProtectedModel", "ShareableModel"]


class ProtectedModel(ShareableModel, metaclass=DeprecatedMeta):
    """Deprecated: use :class:`ShareableModel` (P-32)."""

    __deprecation_warning__ = "ProtectedModel is deprecated. Use ShareableModel instead."
