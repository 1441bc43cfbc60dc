"""The answer to invalid input is no larger than somebody can read (X-34)."""

from typing import Any

import colander
import pytest
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

AUTH = basic_auth()


class Basket(resource.ShareableResource):
    """Lists of texts, in which each item can be at fault."""

    class BasketSchema(resource.ResourceSchema):
        tags = colander.SchemaNode(
            colander.Sequence(), colander.SchemaNode(colander.String()), missing=()
        )
        sizes = colander.SchemaNode(
            colander.Sequence(),
            colander.SchemaNode(
                colander.Mapping(), colander.SchemaNode(colander.Integer(), name="mm")
            ),
            missing=(),
        )

    mapping = BasketSchema()


def make(**settings: Any) -> TestApp:
    settings = {"basket_create_principals": "system.Authenticated", **settings}
    return make_app([Mushroom, Basket], settings=settings)


def send(
    app: TestApp, method: str, path: str, body: Any, status: int | str = 400, **headers: Any
) -> Any:
    headers = {**AUTH, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return getattr(app, f"{method.lower()}_json")(path, body, headers=headers, status=status).json


def patched(app: TestApp, body: Any, content_type: str = "application/json") -> Any:
    record = send(app, "POST", "/v0/baskets", {"data": {}}, 201)["data"]
    path = f"/v0/baskets/{record['id']}"
    return app.patch_json(
        path, body, headers={**AUTH, "Content-Type": content_type}, status=400
    ).json


FAULTS = {
    "unknown members": ("POST", "/v0/mushrooms", lambda n: {f"x{i:06}": 1 for i in range(n - 1)}),
    "unknown parameters": (
        "POST",
        "/v0/mushrooms?" + "&".join(f"y{i}=1" for i in range(900)),
        lambda n: {f"x{i:06}": 1 for i in range(n - 901)},
    ),
    "items of a list": ("POST", "/v0/baskets", lambda n: {"data": {"tags": [{}] * n}}),
    "members of objects": ("POST", "/v0/baskets", lambda n: {"data": {"sizes": [{}] * n}}),
    "principals": ("POST", "/v0/baskets", lambda n: {"permissions": {"read": [{}] * n}}),
    "requests": ("POST", "/v0/batch", lambda n: {"requests": [{}] * n}),
}


@pytest.mark.clause("X-34")
@pytest.mark.setting("max_error_details")
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize(("value", "limit"), [(None, 100), ("3", 3), ("1", 1)])
def test_faults_are_told_up_to_a_number(kind: str, value: str | None, limit: int) -> None:
    settings = {"batch_max_requests": "0"}
    app = make(**settings) if value is None else make(max_error_details=value, **settings)
    method, path, body = FAULTS[kind]
    number = 950

    error = send(app, method, path, body(number))

    assert len(error["details"]) == limit
    *told, last = error["details"]
    assert all(item["name"] for item in told)
    assert last["name"] is None
    rest = number - limit + 1
    assert last["description"] == f"{rest} more are left out (setting max_error_details)"
    if told:
        assert min(item["name"] for item in told) in error["message"]
    else:
        assert last["description"] in error["message"]


@pytest.mark.clause("X-34")
@pytest.mark.parametrize(("value", "number"), [(None, 100), ("", 5_000), ("0", 5_000)])
def test_so_many_faults_are_told_in_full(value: str | None, number: int) -> None:
    app = make() if value is None else make(max_error_details=value)

    error = send(app, "POST", "/v0/baskets", {"data": {"tags": [{}] * number}})

    assert [item["name"] for item in error["details"]] == [f"data.tags.{i}" for i in range(number)]


LONG = "é" * 100_000
TEXTS = {
    "name of a member": ("POST", "/v0/mushrooms", {"data": {"name": "a"}, LONG: 1}),
    "value": ("POST", "/v0/baskets", {"data": {"tags": {LONG: 1}}}),
    "batch": ("POST", "/v0/batch", {"requests": [{"path": "/", "headers": {"a": [LONG]}}]}),
    "method": ("POST", "/v0/batch", {"requests": [{"path": "/", "method": LONG}]}),
    "permission": ("POST", "/v0/baskets", {"permissions": {LONG: []}}),
    "filter": ("GET", f"/v0/mushrooms?{'a' * 100_000}=1", None),
    "order": ("GET", f"/v0/mushrooms?_sort={'a' * 100_000}", None),
    "fields": ("GET", f"/v0/mushrooms?_fields={'a' * 100_000}", None),
    "origin": ("GET", "/v0/mushrooms", None),
}


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("kind", TEXTS)
def test_what_a_fault_repeats_is_cut(kind: str) -> None:
    app = make(cors_origins="https://example.com")
    method, path, body = TEXTS[kind]
    headers = {**AUTH, "Origin": "a" * 100_000} if kind == "origin" else AUTH
    call = app.post_json if method == "POST" else app.get
    response = call(path, *([body] if body else []), headers=headers, status=400)

    assert len(response.body) < 10_000
    assert "…" in response.json["message"]


@pytest.mark.clause("X-34")
def test_a_patch_tells_its_first_fault_only() -> None:
    error = patched(make(), {"data": {"tags": [{}] * 5_000}})

    assert [item["name"] for item in error["details"]] == ["data.tags.0"]


@pytest.mark.clause("X-34")
@pytest.mark.parametrize(("number", "status"), [(999, 201), (1000, 400)])
def test_principals_are_counted_before_they_are_looked_at(number: int, status: int) -> None:
    principals = [f"user:{n}" for n in range(number)]

    answer = send(make(), "POST", "/v0/baskets", {"permissions": {"read": principals}}, status)

    if status == 400:
        assert answer["message"] == "permissions in body: More than 1000 principals"
        assert len(answer["details"]) == 1


@pytest.mark.clause("X-34")
def test_a_json_patch_may_not_add_more_principals_either() -> None:
    operation = {"op": "add", "path": "/permissions/read", "value": ["a"] * 1000}

    error = patched(make(), [operation], "application/json-patch+json")

    assert "More than 1000 principals" in error["message"]
