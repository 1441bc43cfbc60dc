"""Headers of requests, and of the mocks that applications test with."""

from typing import Any
from unittest import mock

import pytest
from pyramid.request import Request

from cliquet.security.sent_headers import sent


@pytest.mark.parametrize("name", ["Authorization", "If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["a", "", None])
def test_a_header_is_read_as_webob_reads_it(name: str, value: str | None) -> None:
    given = {} if value is None else {name: value}
    request = Request.blank("/", headers=given)

    assert sent(request, name) == request.headers.get(name) == value


@pytest.mark.clause("P-31.1")
def test_headers_of_a_mock_are_a_mapping() -> None:
    request: Any = mock.MagicMock()
    request.headers.get.return_value = "b"

    assert sent(mock.MagicMock(headers={"If-Match": "a"}), "If-Match") == "a"
    assert sent(request, "If-Match") == "b"
