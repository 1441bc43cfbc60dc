"""The requests and the registry of an application, as type checkers shall see them.

When the program runs, they are those of Pyramid, so that nothing changes but what a checker knows.
The attributes are those that Pyramid, Cornice and the library add when the application is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.registry import Registry as PyramidRegistry
from pyramid.request import Request as PyramidRequest

if TYPE_CHECKING:
    from pyramid.response import Response

    from cliquet.cache.base import CacheBase
    from cliquet.permission.base import PermissionBase
    from cliquet.storage.base import StorageBase

__all__ = ["Registry", "Request"]

if TYPE_CHECKING:

    class Registry(PyramidRegistry):  # type: ignore[misc]  # Pyramid has no types
        """The registry of an application, with its backends."""

        settings: dict[str, Any]
        storage: StorageBase
        cache: CacheBase
        permission: PermissionBase

    class Request(PyramidRequest):  # type: ignore[misc]  # the same
        """A request to an application.

        Attributes
        ----------
        validated : the parts of the request that a schema has validated.
        prefixed_userid : id of the user with the name of their policy; ``None`` for nobody.
        bound_data : values that the requests of a batch share.
        """

        registry: Registry
        response: Response
        matchdict: dict[str, str]
        validated: dict[str, Any]
        prefixed_userid: str | None
        effective_principals: list[str]
        current_resource_name: str | None
        request_id: str
        bound_data: dict[str, Any]

        def get_user_info(self) -> dict[str, Any]: ...
else:
    Registry, Request = PyramidRegistry, PyramidRequest
