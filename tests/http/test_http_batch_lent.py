"""What code of an application sees of the items of a batch that are processed together (H-25.25).

Each test compares with an application without compiled endpoints, where each is a request of its
own.
"""

from typing import Any

import colander
import pytest
from pyramid.config import Configurator
from pyramid.threadlocal import get_current_request
from support import batches
from support.batches import statuses
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import errors, resource
from cliquet.events import AfterResourceChanged, ResourceChanged
from cliquet.testing.web import basic_auth

WAYS = ("true", "false")
IDS = [f"{n}f3f5fa0-ab3b-4e3f-9e4c-8f7ea4b8e2f4" for n in range(1, 6)]


def _check(node: Any, value: str) -> None:
    request: Any = get_current_request()
    if request.json_body["data"].get("code") == 0 or request.json["data"].get("code") == 0:
        raise colander.Invalid(node, "refused")


def _mark(tags: Any) -> Any:
    for tag in tags or ():
        tag["marks"] = tag.get("marks", 0) + 1
    return tags


class Item(resource.UserResource):
    """Records whose schema asks for the request, and changes what it gets."""

    class ItemSchema(resource.ResourceSchema):
        tags = colander.SchemaNode(colander.List(), missing=colander.drop, preparer=_mark)
        name = colander.SchemaNode(colander.String(), validator=_check)
        code = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    mapping = ItemSchema()


class Unique(Item):
    """The same where no two records have one name, so that each is created by itself."""

    class UniqueSchema(Item.ItemSchema):
        class Options:
            unique_fields = ("name",)

    mapping = UniqueSchema()


pytestmark = pytest.mark.usefixtures("own_settings")


def both(configure: Any = None) -> list[TestApp]:
    """Return a client of the same application with and without compiled endpoints."""
    return [
        make_app([Item, Unique], settings={"compiled_endpoints": value}, configure=configure)
        for value in WAYS
    ]


def each(method: str, path: str = "/items", codes: Any = (1, 2, 3, 4, 5)) -> list[dict[str, Any]]:
    """Return a request for each code."""
    return [
        {
            "method": method,
            "path": path if method == "POST" else f"{path}/{one}",
            "body": {"data": {"name": f"n{n}", "code": code}},
        }
        for n, (one, code) in enumerate(zip(IDS, codes, strict=True))
    ]


KINDS = [("POST", "/items"), ("POST", "/uniques"), ("PUT", "/items"), ("PATCH", "/items")]


def sent(app: TestApp, method: str, path: str, codes: Any, **more: Any) -> Any:
    """Send a batch of one method to a collection, which has the records of a PATCH."""
    app.app.registry.storage.flush()
    if method == "PATCH":
        batches.send(app, each("PUT", path))
    return batches.send(app, each(method, path, codes), **more)


@pytest.mark.clause("H-25.12", "H-25.25")
@pytest.mark.parametrize(("method", "path"), KINDS)
def test_a_validator_sees_the_body_of_each_item(method: str, path: str) -> None:
    found = [statuses(sent(app, method, path, (1, 2, 0, 4, 5))) for app in both()]

    done = 200 if method == "PATCH" else 201
    assert found == [[done, done, 400, done, done]] * 2


@pytest.mark.clause("H-25.12", "H-25.25")
@pytest.mark.parametrize(("method", "path"), KINDS)
def test_a_schema_may_change_what_it_gets(method: str, path: str) -> None:
    found = []
    for app in both():
        sent(app, method, path, (1, 2, 3, 4, 5))
        items = [{"path": item["path"], "method": method} for item in each(method, path)]
        shared = {"body": {"data": {"name": "a", "tags": [{"of": "all"}]}}}
        answers = batches.send(app, items, defaults=shared)
        found.append([answer["body"]["data"]["tags"] for answer in answers])

    assert found[0] == found[1]
    assert found[0] == [[{"of": "all", "marks": 1}]] * 5


@pytest.mark.clause("H-25.25", "X-9")
@pytest.mark.parametrize("event", [ResourceChanged, AfterResourceChanged])
@pytest.mark.parametrize(("method", "path"), KINDS)
def test_the_request_of_an_event_is_what_its_item_has_made_it(
    method: str, path: str, event: type
) -> None:
    told: list[Any] = []

    def tell(one: Any) -> None:
        request = one.request
        told.append([request.validated, request.json_body, request.body, list(request.errors)])

    for app in both(lambda config: config.add_subscriber(tell, event)):
        sent(app, method, path, (1, 2, 0, 4, "wrong"))

    half = len(told) // 2
    assert told[:half] == told[half:]
    assert told[-1][1] == {"data": {"name": "n0", "code": 1}}
    assert told[-1][0]["data"]["name"] == "n0"
    assert told[-1][3] == []


@pytest.mark.clause("H-25.25", "H-26.5")
@pytest.mark.parametrize(("method", "path"), KINDS)
def test_a_subscriber_that_refuses_tells_of_its_own_fault_alone(method: str, path: str) -> None:
    def refuse(event: Any) -> None:
        if any(record["new"]["code"] == 4 for record in event.impacted_records):
            errors.raise_invalid(event.request, name="code", description="refused")

    def configure(config: Configurator) -> None:
        config.add_subscriber(refuse, ResourceChanged)

    found = []
    for app in both(configure):
        app.app.registry.storage.flush()
        if method == "PATCH":
            batches.send(app, each("PUT", path, (1, 2, 3, 5, 6)))
        items = each(method, path, (1, 2, 0, 4, "wrong"))
        found.append(batches.send(app, items, status=400, headers=basic_auth()))

    assert found[0] == found[1]
    assert [one["description"] for one in found[0]["details"]] == ["refused"]
