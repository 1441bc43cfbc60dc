"""Headers of requests, and of the mocks that applications test with."""

from typing import Any
from unittest import mock

import pytest
from pyramid.request import Request

from cliquet.core.sent_headers import sent


@pytest.mark.parametrize("name", ["Authorization", "If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["a", "", None])
def test_a_header_is_read_as_webob_reads_it(name: str, value: str | None) -> None:
    given = {} if value is None else {name: value}
    request = Request.blank("/", headers=given)

    assert sent(request.headers, name) == request.headers.get(name) == value


@pytest.mark.clause("P-31.1")
def test_headers_of_a_mock_are_a_mapping() -> None:
    headers: Any = mock.MagicMock()
    headers.get.return_value = "b"

    assert sent({"If-Match": "a"}, "If-Match") == "a"
    assert sent(headers, "If-Match") == "b"
