"""Helpers for the test suites of applications and plugins, in the style of `unittest`.

These suites import it as ``cliquet.tests.support``. It needs WebTest.
"""

from __future__ import annotations

import unittest
from collections.abc import Mapping
from typing import Any
from unittest import mock

import webtest
from pyramid.config import Configurator

from cliquet.errors import ERRORS
from cliquet.security.authorization import AuthorizationPolicy
from cliquet.settings import DEFAULT_SETTINGS
from cliquet.testing import testapp
from cliquet.testing.dummies import DummyRequest
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth

__all__ = [
    "DEFAULT_SETTINGS",
    "BaseWebTest",
    "DummyRequest",
    "FormattedErrorMixin",
    "authorize",
    "get_request_class",
    "unittest",
]

# The principal of the credentials `mat:1` with an empty secret.
_PRINCIPAL = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"


def get_request_class(prefix: str | None) -> type[webtest.TestRequest]:
    """Return a request class for WebTest that adds the version to paths (P-31).

    Parameters
    ----------
    prefix : version prefix, such as ``v1``; absolute URLs, and paths that already have it, stay as
        they are.
    """

    class PrefixedRequest(webtest.TestRequest):  # type: ignore[misc]  # WebTest has no types
        @classmethod
        def blank(cls, path: str, *args: Any, **kwargs: Any) -> Any:
            is_complete = path.startswith(("http://", "https://")) or (
                path.partition("?")[0] + "/"
            ).startswith(f"/{prefix}/")
            if prefix and not is_complete:
                path = f"/{prefix}{path}"
            return super().blank(path, *args, **kwargs)

    return PrefixedRequest


class FormattedErrorMixin:
    """Adds an assertion about error responses to a test case."""

    def assertFormattedError(  # noqa: N802 - published
        self,
        response: Any,
        code: int,
        errno: ERRORS | int,
        error: str,
        message: str | None = None,
        info: str | None = None,
    ) -> None:
        """Check a response against the format of errors (H-26.1).

        Parameters
        ----------
        message, info : text that the member of this name must contain; ``None`` for any value or
            none.
        """
        assert "application/json" in response.headers["Content-Type"]
        assert response.status_code == code
        body = response.json
        assert body["code"] == code
        assert body["errno"] == (errno.value if isinstance(errno, ERRORS) else errno)
        assert body["error"] == error
        for name, text in (("message", message), ("info", info)):
            if text is not None:
                assert text in body.get(name, "")


class _Backend:
    """The present backend of the application under test; a test may assign another one."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        return getattr(instance.app.app.registry, self._name)


class _App:
    """The application under test, made at its first use; a test may assign another one."""

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        # An attribute of the instance replaces this descriptor.
        app = instance.app = instance.make_app()
        return app


class BaseWebTest:
    """Mixin for a test case that gives each test its own application, with memory backends.

    Attributes
    ----------
    app : WebTest client of the application; paths have no version.
    storage, cache, permission : its backends.
    headers : headers of the JSON requests of a user.
    principal : principal of that user.
    collection_url, api_prefix : path of the first resource of the sample application, and version
        prefix.
    """

    api_prefix = "v0"
    collection_url = "/mushrooms"
    principal = _PRINCIPAL

    app: Any = _App()
    storage: Any = _Backend()
    cache: Any = _Backend()
    permission: Any = _Backend()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers = {"Content-Type": "application/json", **basic_auth("mat", "1")}

    def make_app(
        self, settings: Mapping[str, Any] | None = None, config: Configurator | None = None
    ) -> Any:
        """Return a client of a new application; override it to test another application.

        Parameters
        ----------
        settings : settings that are added to those of :meth:`get_app_settings`.
        config : configurator to use; the settings that it already has win.
        """
        app = webtest.TestApp(testapp.main(self.get_app_settings(settings), config=config))
        app.RequestClass = get_request_class(self.api_prefix)
        return app

    def get_app_settings(
        self, additional_settings: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the settings of the application; a test may change them."""
        return {**DEFAULT_SETTINGS, **MEMORY_BACKENDS, **(additional_settings or {})}

    def get_item_url(self, id: str | None = None) -> str:
        """Return the path of a record, by default that of ``self.record``."""
        record_id = id or self.record["id"]  # type: ignore[attr-defined]  # set by the test
        return f"{self.collection_url}/{record_id}"


def authorize(permits: bool = True, authz_class: str | type | None = None) -> Any:
    """Make an authorization policy always give the same answer, while a test runs.

    Use it as the decorator of a test or as a context manager.

    Parameters
    ----------
    permits : the answer.
    authz_class : class of the policy, or its dotted name; by default the built-in one.
    """

    def answer(policy: Any, context: Any, principals: Any, permission: Any) -> bool:
        return permits

    if isinstance(authz_class, str):
        return mock.patch(f"{authz_class}.permits", answer)
    return mock.patch.object(authz_class or AuthorizationPolicy, "permits", answer)
