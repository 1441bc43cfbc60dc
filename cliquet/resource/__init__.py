"""Resources: classes that serve collections of records over HTTP."""

from typing import TYPE_CHECKING, Any

from cliquet.core.lazy import load_name
from cliquet.resource.deprecated import BaseResource, ProtectedResource
from cliquet.resource.model import Model, ShareableModel
from cliquet.resource.registration import register, register_resource
from cliquet.resource.schema import ResourceSchema
from cliquet.resource.shareable import ShareableResource
from cliquet.resource.user import UserResource
from cliquet.resource.viewset import ShareableViewSet, ViewSet
from cliquet.storage import Filter, Sort
from cliquet.storage.query import COMPARISON
from cliquet.web.service import Service
from cliquet.web.typed_requests import Registry, Request

if TYPE_CHECKING:
    from cliquet.resource.adapters.json_schema import JSONSchema
    from cliquet.resource.adapters.pydantic_schema import PydanticSchema

__all__ = [
    "COMPARISON",
    "BaseResource",
    "Filter",
    "JSONSchema",
    "Model",
    "ProtectedResource",
    "PydanticSchema",
    "Registry",
    "Request",
    "ResourceSchema",
    "Service",
    "ShareableModel",
    "ShareableResource",
    "ShareableViewSet",
    "Sort",
    "UserResource",
    "ViewSet",
    "register",
    "register_resource",
]

_ADAPTERS = {
    "JSONSchema": "cliquet.resource.adapters.json_schema",
    "PydanticSchema": "cliquet.resource.adapters.pydantic_schema",
}


def __getattr__(name: str) -> Any:
    """Import a schema other than those of colander at its first use, because few services do."""
    return load_name(__name__, _ADAPTERS, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
