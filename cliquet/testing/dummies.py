"""A request that no server has received, for tests of code that needs one."""

from __future__ import annotations

from typing import Any
from unittest import mock

from cornice.errors import Errors

from cliquet.settings import DEFAULT_SETTINGS
from cliquet.storage.generators import UUID4

__all__ = ["DummyRequest"]


class DummyRequest(mock.MagicMock):
    """A mock request of the user ``basicauth:bob``, whose common attributes are real (P-31.1).

    ``registry.settings`` are the defaults; the backends are mocks until a test sets others.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.upath_info = self.path_info = self.path = "/v0/"
        self.method = "GET"
        self.registry = mock.MagicMock(settings=dict(DEFAULT_SETTINGS), cornice_services={})
        self.registry.id_generator = UUID4()
        self.GET: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.errors = Errors()
        self.matchdict: dict[str, str] = {}
        self.matched_route = mock.MagicMock(pattern="/")
        self.validated: dict[str, Any] = {}
        self.bound_data: dict[str, Any] = {}
        # Resources read this attribute as the body; `body` itself stays a mock, and is not empty.
        self.json: dict[str, Any] = {}
        self.response = mock.MagicMock(headers={}, status_code=200)
        self.authn_type = "basicauth"
        self.selected_userid = self.authenticated_userid = "bob"
        self.prefixed_userid = "basicauth:bob"
        self.parent = None

        def route_url(name: str, *elements: Any, **variables: Any) -> str:
            return f"http://localhost/v0/{name}"

        self.route_url = route_url
        # The values of a test win.
        for name in kwargs.keys() & vars(self).keys():
            setattr(self, name, kwargs[name])

    def _get_child_mock(self, /, **kwargs: Any) -> mock.MagicMock:
        # It is not another request, which would again have such children.
        return mock.MagicMock(**kwargs)
