"""What is stored of a value is what its field takes again."""

from __future__ import annotations

import enum
from typing import Any

import colander
import pytest
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

pytestmark = pytest.mark.clause("E-8.20")

AUTH = basic_auth()


class Colour(enum.Enum):
    red = "the red one"
    blue = "the blue one"


class Size(str, enum.Enum):
    small = "S"
    large = "L"


class Level(enum.IntEnum):
    low = 1
    high = 2


def field(typ: Any, *children: Any) -> Any:
    return colander.SchemaNode(typ, *children, missing=colander.drop)


def item(typ: Any, name: str = "item") -> Any:
    return colander.SchemaNode(typ, name=name)


class ThingSchema(resource.ResourceSchema):
    title = field(colander.String())
    colour = field(colander.Enum(Colour))
    size = field(colander.Enum(Size))
    level = field(colander.Enum(Level))
    level_number = field(colander.Enum(Level, attr="value", typ=colander.Integer()))
    colours = field(colander.Sequence(), item(colander.Enum(Colour)))
    look = field(
        colander.Mapping(unknown="preserve"),
        item(colander.Enum(Colour), "colour"),
        item(colander.String(), "shape"),
    )
    pair = field(
        colander.Tuple(), item(colander.Enum(Level), "level"), item(colander.Date("%d.%m.%Y"), "on")
    )
    day = field(colander.Date())
    own_day = field(colander.Date("%d.%m.%Y"))
    days = field(colander.Sequence(), item(colander.Date()))
    moment = field(colander.DateTime())
    own_moment = field(colander.DateTime(format="%d.%m.%Y %H:%M"))
    time = field(colander.Time())
    unordered = field(colander.Set())
    anything = field(colander.List())
    decimal = field(colander.Decimal())
    rounded = field(colander.Decimal(".01"))
    money = field(colander.Money())
    flag = field(colander.Boolean())
    yes = field(colander.Boolean(true_choices=("true", "yes")))
    encoded = field(colander.String(encoding="utf-8"))


class Thing(resource.UserResource):
    mapping = ThingSchema()


class Kept(resource.UserResource):
    mapping = ThingSchema()
    seen: list[Any] = []

    def process_record(self, new: Any, old: Any = None) -> Any:
        self.seen.append(new.get("colour"))
        return {**super().process_record(new, old), "size": "small"}


@pytest.fixture
def app() -> TestApp:
    return make_app([Thing, Kept])


CASES = [
    ("colour", "red", "red"),
    ("size", "small", "small"),
    ("level", "low", "low"),
    ("level_number", 1, 1),
    ("colours", ["red", "blue"], ["red", "blue"]),
    (
        "look",
        {"colour": "red", "shape": "round", "more": [1]},
        {"colour": "red", "shape": "round", "more": [1]},
    ),
    ("pair", ["high", "22.01.2015"], ["high", "22.01.2015"]),
    ("day", "2015-01-22", "2015-01-22"),
    ("own_day", "22.01.2015", "22.01.2015"),
    ("days", ["2015-01-22"], ["2015-01-22"]),
    ("moment", "2015-01-22T18:30:00Z", "2015-01-22T18:30:00+00:00"),
    ("own_moment", "22.01.2015 18:30", "22.01.2015 18:30"),
    ("time", "18:30", "18:30:00"),
    ("unordered", ["a"], ["a"]),
    ("anything", [1, None], [1, None]),
    ("decimal", "1.10", 1.1),
    ("rounded", "0.1", 0.1),
    ("money", "12.345", 12.35),
    ("flag", "x", True),
    ("yes", "yes", True),
    ("encoded", "é", "é"),
]


@pytest.mark.parametrize(("name", "given", "stored"), CASES)
def test_what_is_stored_can_be_patched_and_put_back(
    app: TestApp, name: str, given: Any, stored: Any
) -> None:
    created = app.post_json("/v0/things", {"data": {name: given}}, headers=AUTH).json["data"]
    url = f"/v0/things/{created['id']}"

    patched = app.patch_json(url, {"data": {"title": "x"}}, headers=AUTH).json["data"]
    put = app.put_json(url, {"data": {name: created[name]}}, headers=AUTH).json["data"]

    assert [created[name], patched[name], put[name]] == [stored] * 3


def test_a_patch_of_a_member_with_its_own_value_changes_nothing(app: TestApp) -> None:
    created = app.post_json("/v0/things", {"data": {"colour": "red"}}, headers=AUTH).json["data"]

    url = f"/v0/things/{created['id']}"
    patched = app.patch_json(url, {"data": {"colour": "red"}}, headers=AUTH)

    assert patched.json["data"] == created


def test_filters_compare_with_what_is_stored(app: TestApp) -> None:
    app.post_json("/v0/things", {"data": {"colour": "red"}}, headers=AUTH)

    assert len(app.get("/v0/things?colour=red", headers=AUTH).json["data"]) == 1
    assert app.get("/v0/things?colour=blue", headers=AUTH).json["data"] == []


def test_hooks_get_the_value_itself_and_may_give_its_form(app: TestApp) -> None:
    Kept.seen.clear()

    created = app.post_json("/v0/kepts", {"data": {"colour": "red"}}, headers=AUTH).json["data"]

    assert Kept.seen == [Colour.red]
    assert (created["colour"], created["size"]) == ("red", "small")


@pytest.mark.clause("E-17.6")
def test_the_fault_of_a_date_shows_its_own_format(app: TestApp) -> None:
    refused = app.post_json("/v0/things", {"data": {"own_day": "x"}}, headers=AUTH, status=400)

    said = "data.own_day in body: Invalid date: a text such as 22.01.2015 is expected"
    assert refused.json["message"] == said
