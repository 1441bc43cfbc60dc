"""Resources: classes that serve collections of records over HTTP."""

from cliquet.resource.adapters.json_schema import JSONSchema
from cliquet.resource.adapters.pydantic_schema import PydanticSchema
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
