"""The helpers of :mod:`cliquet.testing.support`, under the name that is published."""

from cliquet.testing.support import (
    DEFAULT_SETTINGS,
    BaseWebTest,
    DummyRequest,
    FormattedErrorMixin,
    authorize,
    get_request_class,
    unittest,
)

__all__ = [
    "DEFAULT_SETTINGS",
    "BaseWebTest",
    "DummyRequest",
    "FormattedErrorMixin",
    "authorize",
    "get_request_class",
    "unittest",
]
