"""The words of faults in a body: each one that a client can get, in the words of JSON."""

from __future__ import annotations

import enum
from typing import Any

import colander
import pytest
from webtest import TestApp

from cliquet import resource
from cliquet.resource.schema import URL
from cliquet.testing.web import basic_auth, make_app

pytestmark = pytest.mark.clause("E-17.6")

AUTH = basic_auth()


class Colour(enum.Enum):
    red = 1
    blue = 2


def field(typ: Any, **kwargs: Any) -> Any:
    return colander.SchemaNode(typ, missing=colander.drop, **kwargs)


def pair() -> Any:
    node = field(colander.Tuple())
    for name in ("a", "b"):
        node.add(colander.SchemaNode(colander.Integer(), name=name))
    return node


def own_words(node: Any, value: Any) -> None:
    raise colander.Invalid(node, "Not in my words")


class Everything(resource.ResourceSchema):
    text = field(colander.String())
    number = field(colander.Integer())
    decimal = field(colander.Float())
    flag = field(colander.Boolean())
    day = field(colander.Date())
    moment = field(colander.DateTime())
    time = field(colander.Time())
    texts = field(colander.Sequence())
    texts.add(colander.SchemaNode(colander.String(), name="item"))
    items = field(colander.Sequence())
    items.add(colander.SchemaNode(colander.Integer(), name="item"))
    unordered = field(colander.Set())
    plain_list = field(colander.List())
    pair = pair()
    place = field(colander.Mapping())
    exact = field(colander.Mapping(unknown="raise"))
    colour = field(colander.Enum(Colour))
    link = URL(missing=colander.drop)
    short = field(colander.String(), validator=colander.Length(max=2))
    long = field(colander.String(), validator=colander.Length(min=2))
    low = field(colander.Integer(), validator=colander.Range(max=2))
    high = field(colander.Integer(), validator=colander.Range(min=2))
    one = field(colander.String(), validator=colander.OneOf(["a", "b"]))
    no = field(colander.String(), validator=colander.NoneOf(["a", "b"]))
    some = field(colander.Set(), validator=colander.ContainsOnly(["a"]))
    pattern = field(colander.String(), validator=colander.Regex("a+"))
    mail = field(colander.String(), validator=colander.Email())
    uuid = field(colander.String(), validator=colander.uuid)
    own = field(colander.String(), validator=own_words)


class Thing(resource.UserResource):
    mapping = Everything()


class Shared(resource.ShareableResource):
    mapping = Everything()


@pytest.fixture(scope="module")
def app() -> TestApp:
    settings = {"shared_create_principals": "system.Authenticated"}
    return make_app([Thing, Shared], settings=settings)


SAID = [
    # The contract has these (H-8.3).
    ({"text": 42}, "data.text", "42 is not a string: {'text': ''}"),
    # So have these, although colander takes them for an absent member (H-8.15).
    ({"text": 0}, "data.text", "0 is not a string: {'text': ''}"),
    ({"text": 0.0}, "data.text", "0.0 is not a string: {'text': ''}"),
    ({"text": False}, "data.text", "false is not a string: {'text': ''}"),
    ({"text": []}, "data.text", "[] is not a string: {'text': ''}"),
    ({"text": {}}, "data.text", "{} is not a string: {'text': ''}"),
    ({"texts": ["a", []]}, "data.texts.1", "[] is not a string: {'item': ''}"),
    (None, "data", "Required"),
    ([], "data", '"[]" is not a mapping type: an object is expected'),
    ("a", "data", '"a" is not a mapping type: an object is expected'),
    ({"number": "x"}, "data.number", '"x" is not a number'),
    ({"number": {"a": True}}, "data.number", '"{"a":true}" is not a number'),
    ({"number": [None]}, "data.number", '"[null]" is not a number'),
    ({"decimal": "x"}, "data.decimal", '"x" is not a number'),
    ({"decimal": "NaN"}, "data.decimal", "Number out of range"),
    ({"day": "x"}, "data.day", "Invalid date: a date such as 2015-01-22 is expected"),
    ({"day": 5}, "data.day", "Invalid date: a date such as 2015-01-22 is expected"),
    (
        {"moment": "x"},
        "data.moment",
        "Invalid date: a date and time such as 2015-01-22T18:30:00Z is expected",
    ),
    ({"time": "x"}, "data.time", "Invalid time: a time such as 18:30:00 is expected"),
    ({"items": 5}, "data.items", '"5" is not an array'),
    ({"items": {"a": 1}}, "data.items", '"{"a":1}" is not an array'),
    ({"items": [1, "x"]}, "data.items.1", '"x" is not a number'),
    ({"unordered": "abc"}, "data.unordered", '"abc" is not an array'),
    ({"plain_list": 5}, "data.plain_list", '"5" is not an array'),
    ({"pair": 5}, "data.pair", '"5" is not an array'),
    ({"place": [1]}, "data.place", '"[1]" is not a mapping type: an object is expected'),
    ({"exact": {"b": 1, "a": 2}}, "data.exact", "Unknown members: a, b"),
    ({"colour": "green"}, "data.colour", '"green" is not one of red, blue'),
    ({"link": "x"}, "data.link", "Must be a URL"),
    ({"short": "abc"}, "data.short", "Longer than maximum length 2"),
    ({"long": "a"}, "data.long", "Shorter than minimum length 2"),
    ({"low": 3}, "data.low", "3 is greater than maximum value 2"),
    ({"high": 1}, "data.high", "1 is less than minimum value 2"),
    ({"one": "c"}, "data.one", '"c" is not one of a, b'),
    ({"no": "a"}, "data.no", '"a" must not be one of a, b'),
    ({"some": ["b"]}, "data.some", "One or more of the choices you made was not acceptable"),
    ({"pattern": "b"}, "data.pattern", "String does not match expected pattern"),
    ({"mail": "b"}, "data.mail", "Invalid email address"),
    (
        {"uuid": "b"},
        "data.uuid",
        "Invalid UUID string: a UUID such as 3f0c1c4e-6a0d-4b0f-9d3e-5f6a7b8c9d0e is expected",
    ),
    ({"own": "b"}, "data.own", "Not in my words"),
]


@pytest.mark.parametrize(("data", "name", "description"), SAID)
@pytest.mark.parametrize("url", ["/v0/things", "/v0/shareds"])
def test_a_fault_is_told_in_words_of_json(
    app: TestApp, url: str, data: object, name: str, description: str
) -> None:
    answer = app.post_json(url, {"data": data}, headers=AUTH, status=400).json

    assert answer["details"] == [{"location": "body", "name": name, "description": description}]
    assert answer["message"] == f"{name} in body: {description}"


@pytest.mark.parametrize(
    ("data", "name", "description"), [said for said in SAID if isinstance(said[0], dict)]
)
def test_a_patch_says_the_same(
    app: TestApp, data: dict[str, Any], name: str, description: str
) -> None:
    url = app.post_json("/v0/things", {"data": {}}, headers=AUTH).headers["Location"]

    answer = app.patch_json(url, {"data": data}, headers=AUTH, status=400).json

    assert answer["details"] == [{"location": "body", "name": name, "description": description}]


@pytest.mark.clause("H-24.2")
def test_permissions_keep_their_words(app: TestApp) -> None:
    body = {"data": {}, "permissions": {"read": "book"}}

    answer = app.post_json("/v0/shareds", body, headers=AUTH, status=400).json

    assert answer["message"] == 'permissions.read in body: "book" is not iterable'


def test_a_value_that_is_no_boolean_is_told_so() -> None:
    class Strict(resource.ResourceSchema):
        flag = colander.SchemaNode(colander.Boolean(true_choices=("true",)))

    app = make_app([type("Thing", (resource.UserResource,), {"mapping": Strict()})])

    answer = app.post_json("/v0/things", {"data": {"flag": "zz"}}, headers=AUTH, status=400).json

    said = '"zz" is not a boolean: true or false is expected'
    assert answer["details"][0]["description"] == said
