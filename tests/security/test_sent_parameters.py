"""Parameters by name are those of the query string that a request has now."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pyramid.request import Request

from cliquet.security.sent_parameters import sent_pairs, sent_parameters


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("", {}),
        ("_limit=5&name=C%C3%A8pe", {"_limit": "5", "name": "Cèpe"}),
        ("_limit=5&_limit=&_limit=7", {"_limit": "7"}),
        ("_since", {"_since": ""}),
    ],
)
def test_the_last_value_of_each_name_counts(query: str, parameters: dict[str, str]) -> None:
    request = Request.blank(f"/v0/mushrooms?{query}")

    assert sent_parameters(request) == parameters
    assert all(request.GET[name] == value for name, value in parameters.items())


@pytest.mark.parametrize(
    "query",
    [
        "",
        "_limit=5&size=1&size=2",
        "name=C%C3%A8pe&_sort=-name",
        "name=Death+cap",
        "size=1;name=Cep",
        "_since&&name==a=b&=nothing&",
        "&",
        "name=~'()*,-_.!$:@/?",
    ],
)
def test_the_pairs_are_those_of_webob_in_their_order(query: str) -> None:
    request = Request.blank("/v0/mushrooms")
    request.environ["QUERY_STRING"] = query

    assert list(sent_pairs(request)) == list(request.GET.items())


def test_another_query_string_has_other_parameters() -> None:
    request = Request.blank("/v0/mushrooms?_limit=5")
    assert sent_parameters(request) == {"_limit": "5"}

    request.environ["QUERY_STRING"] = "_limit=6"
    assert sent_parameters(request) == {"_limit": "6"}
    request.GET["_sort"] = "name"
    assert sent_parameters(request) == {"_limit": "6", "_sort": "name"}


def test_the_mock_of_an_application_has_those_that_it_was_given() -> None:
    given = {"_limit": "5"}

    request = SimpleNamespace(GET=given)

    assert sent_parameters(request) is given
    assert sent_pairs(request) == [("_limit", "5")]
