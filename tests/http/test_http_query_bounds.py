"""How much a query string may ask for: filters, their values, names, parameters (X-34)."""

import json
from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import Lichen, Mushroom, Spore
from webtest import TestApp

from cliquet.testing.web import basic_auth

AUTH = basic_auth()


def make(**settings: Any) -> Any:
    app = make_app([Mushroom, Spore, Lichen], settings=settings)
    app.post_json("/v0/lichens", {"data": {"title": "cep"}}, headers=AUTH)
    return app


def get(
    app: TestApp, query: Any, status: Any, *, method: Any = "GET", path: Any = "/v0/lichens"
) -> Any:
    return app.request(f"{path}?{query}", method=method, headers=AUTH, status=status)


def refused(response: Any, setting: Any) -> None:
    assert response.json["errno"] == 107
    assert f"(setting {setting})" in response.json["message"]


def filters(number: Any) -> Any:
    return "&".join(["not_a=1"] * number)


@pytest.mark.clause("X-34")
@pytest.mark.setting("max_filters")
@pytest.mark.parametrize(
    ("value", "number", "status"),
    [(None, 100, 200), (None, 101, 400), ("3", 3, 200), ("3", 4, 400), ("", 300, 200)],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_filters_are_counted(value: str | None, number: int, status: int, method: str) -> None:
    app = make() if value is None else make(max_filters=value)

    response = get(app, filters(number), status, method=method)

    if status == 400 and method != "HEAD":
        refused(response, "max_filters")
        assert app.get("/v0/lichens", headers=AUTH).json["data"]


@pytest.mark.clause("X-34")
def test_filters_on_the_timestamp_count_and_other_parameters_do_not() -> None:
    app = make(max_filters="2")

    get(app, "_since=1&not_a=1&_limit=1&_sort=a&_fields=a&_anything=1", 200)
    refused(get(app, "_since=1&_before=9&not_a=1", 400), "max_filters")


def lists(number: Any) -> dict[str, Any]:
    return {
        "texts": "in_title=" + ",".join(["a"] * number),
        "array": "exclude_title=" + json.dumps(["a"] * number),
        "ids": "in_id=" + ",".join(["a"] * number),
        "timestamps": "exclude_last_modified=" + ",".join(["1"] * number),
        "members": "contains_any_title=" + ",".join(["1"] * number),
        "several filters": f"in_title={','.join(['a'] * (number - 1))}&not_a=1",
        "inside of arrays": "contains_title=" + json.dumps([["a"] * (number - 1)]),
        "literal": "title=" + json.dumps(["a"] * (number - 1)),
        "object": "not_title=" + json.dumps({str(n): n for n in range(number - 1)}),
    }


@pytest.mark.slow
@pytest.mark.clause("X-34")
@pytest.mark.setting("max_filter_values")
@pytest.mark.parametrize("kind", lists(2))
@pytest.mark.parametrize(
    ("value", "number", "status"),
    [(None, 1000, 200), (None, 1001, 400), ("5", 5, 200), ("5", 6, 400), ("0", 2000, 200)],
)
def test_values_of_filters_are_counted(
    kind: str, value: str | None, number: int, status: int
) -> None:
    app = make() if value is None else make(max_filter_values=value)

    response = get(app, lists(number)[kind], status)

    if status == 400:
        refused(response, "max_filter_values")


@pytest.mark.slow
@pytest.mark.clause("X-34")
@pytest.mark.setting("max_field_depth")
@pytest.mark.parametrize(
    "template", ["{}=1", "min_{}=1", "has_{}=true", "_sort=-{}", "_fields=a,{}"]
)
@pytest.mark.parametrize(
    ("value", "depth", "status"),
    [(None, 100, 200), (None, 101, 400), ("2", 2, 200), ("2", 3, 400), ("", 400, 200)],
)
@pytest.mark.parametrize("resource", ["lichens", "spores"])
def test_dotted_names_are_bounded(
    template: str, value: str | None, depth: int, status: int, resource: str
) -> None:
    app = make() if value is None else make(max_field_depth=value)

    response = get(app, template.format(".".join("a" * depth)), status, path=f"/v0/{resource}")

    if status == 400:
        refused(response, "max_field_depth")


@pytest.mark.clause("X-34")
@pytest.mark.setting("max_field_depth")
@pytest.mark.parametrize("kind", ["filters", "order"])
@pytest.mark.parametrize(
    ("value", "number", "status"),
    [
        (None, 33, 200),
        (None, 34, 400),
        ("4", 33, 200),
        ("4", 34, 400),
        ("103", 34, 200),
        ("", 34, 200),
    ],
)
def test_the_dots_of_all_names_are_bounded_together(
    kind: str, value: str | None, number: int, status: int
) -> None:
    app = make() if value is None else make(max_field_depth=value)
    names = [f"a.b.c.d{n}" for n in range(number)]
    query = (
        "_sort=" + ",".join(names) if kind == "order" else "&".join(f"{name}=1" for name in names)
    )

    response = get(app, query, status)

    if status == 400:
        refused(response, "max_field_depth")


@pytest.mark.clause("X-34")
@pytest.mark.parametrize(("number", "status"), [(250, 200), (251, 400)])
def test_projected_fields_are_counted(number: int, status: int) -> None:
    get(make(), "_fields=" + ",".join(f"f{n}" for n in range(number)), status)


@pytest.mark.clause("X-34", "B-21.16")
@pytest.mark.parametrize(("number", "status"), [(8190, 200), (8191, 400)])
@pytest.mark.parametrize("field", ["id", "a"])
def test_a_pattern_is_not_too_long(field: str, number: int, status: int) -> None:
    get(make(), f"like_{field}=" + "*" * number, status)


@pytest.mark.clause("X-34", "B-21.17")
@pytest.mark.parametrize(("number", "status"), [(5, 200), (6, 400)])
def test_searches_in_arrays_are_counted(number: int, status: int) -> None:
    get(make(), "&".join(["contains_a=1&contains_any_b=1"] * number), status)


@pytest.mark.clause("X-34", "B-21.16")
@pytest.mark.parametrize(("number", "status"), [(3, 200), (4, 400)])
def test_patterns_are_counted(number: int, status: int) -> None:
    get(make(), "&".join(f"like_{name}=a" for name in ["id", *"abcdefgh"][:number]), status)


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("path", ["/v0/", "/v0/lichens", "/v0/__heartbeat__", "/nowhere", "/"])
@pytest.mark.parametrize("separator", ["&", "&_x=1&", "&&"])
def test_parameters_are_counted_on_every_endpoint(path: str, separator: str) -> None:
    app = make(max_filters="3")

    response = get(app, separator.join(["_a=1"] * 31), 400, path=path)

    message = "querystring: More than 30 parameters, 10 times the setting max_filters"
    assert response.json["message"] == message


@pytest.mark.clause("X-34")
@pytest.mark.parametrize(("value", "number"), [("3", 30), (None, 1000), ("", 5000)])
def test_so_many_parameters_are_fine(value: str | None, number: int) -> None:
    app = make() if value is None else make(max_filters=value)

    get(app, "&".join(["_a=1"] * number), 200, path="/v0/")
