"""Parameters of lists that can only be mistakes, refused by a setting."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import colander
import pytest
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import resource
from cliquet.resource import ResourceSchema
from cliquet.resource.schema import URL, TimeStamp
from cliquet.settings import SettingError
from cliquet.testing.web import basic_auth

pytestmark = pytest.mark.clause("E-17.5")

AUTH = basic_auth("reader")
LISTS = "/v0/books"


def upper(value: Any) -> Any:
    return value


class BookSchema(ResourceSchema):
    title = colander.SchemaNode(colander.String())
    pages = colander.SchemaNode(colander.Integer(), missing=colander.drop)
    weight = colander.SchemaNode(colander.Float(), missing=colander.drop)
    price = colander.SchemaNode(colander.Decimal(), missing=colander.drop)
    lent = colander.SchemaNode(colander.Boolean(), missing=colander.drop)
    day = colander.SchemaNode(colander.Date(), missing=colander.drop)
    link = URL(missing=colander.drop)
    read_at = TimeStamp()
    prepared = colander.SchemaNode(colander.String(), preparer=upper, missing=colander.drop)
    min_age = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    @colander.instantiate(missing=colander.drop)
    class tags(colander.SequenceSchema):  # noqa: N801 - the name of a field
        tag = colander.SchemaNode(colander.String())

    @colander.instantiate(missing=colander.drop)
    class author(colander.MappingSchema):  # noqa: N801 - the name of a field
        name = colander.SchemaNode(colander.String(), missing=colander.drop)
        born = colander.SchemaNode(colander.Integer(), missing=colander.drop)


class Book(resource.UserResource):
    mapping = BookSchema()


class Film(resource.UserResource):
    mapping = BookSchema()


class Open(resource.UserResource):
    class OpenSchema(ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = OpenSchema()

    def is_known_field(self, field: str) -> bool:
        return True


class Painted(resource.UserResource):
    """Its views read parameters of their own."""

    mapping = BookSchema()
    query_parameters = ("_colour", "lang")

    def collection_get(self) -> dict[str, Any]:
        return {**super().collection_get(), "colour": self.request.GET.get("_colour")}

    def get(self) -> dict[str, Any]:
        return {**super().get(), "lang": self.request.GET.get("lang")}


def made(**settings: Any) -> TestApp:
    return make_app([Book, Film, Open, Painted], settings=settings)


@pytest.fixture(scope="module")
def strict() -> TestApp:
    return made(strict_filters="true")


@pytest.fixture(scope="module")
def lenient() -> TestApp:
    return made()


REFUSED = [
    ("_limt=5", "_limt", "Unknown parameter '_limt'; did you mean '_limit'?"),
    ("_xyz=5", "_xyz", "Unknown parameter '_xyz'"),
    ("%20_limit=5", "_limit", "Unknown parameter '_limit'"),
    ("_sort=-pages,author%20name", None, "Unknown sort field 'author name'"),
    ("_sort=zzz.a", None, "Unknown sort field 'zzz.a'"),
    ("min_pages=abc", "min_pages", "Invalid value for min_pages: pages is a number"),
    ("pages=", "pages", "Invalid value for pages: pages is a number"),
    ("pages=true", "pages", "Invalid value for pages: pages is a number"),
    ("in_pages=1,b", "in_pages", "Invalid value for in_pages: pages is a number"),
    ("min_pages=None", "min_pages", "Invalid value for min_pages: pages is a number"),
    ("weight=heavy", "weight", "Invalid value for weight: weight is a number"),
    ("read_at=today", "read_at", "Invalid value for read_at: read_at is a number"),
    ("min_age=x", "min_age", "Invalid value for min_age: min_age is a number"),
    ("lent=maybe", "lent", "Invalid value for lent: lent is a boolean"),
    ("lent=2", "lent", "Invalid value for lent: lent is a boolean"),
    (
        "title=1984",
        "title",
        'Invalid value for title: title is a text, written between quotes as in title="1984"',
    ),
    (
        "not_link=true",
        "not_link",
        'Invalid value for not_link: link is a text, written between quotes as in not_link="true"',
    ),
    ("in_title=a,5", "in_title", "Invalid value for in_title: title is a text"),
    ("tags=red", "tags", "Invalid value for tags: tags is an array"),
    ("min_tags=[1]", "min_tags", "Invalid value for min_tags: tags is an array"),
    ("like_pages=a", "like_pages", "Invalid value for like_pages: pages is a number"),
    ("contains_title=a", "contains_title", "Invalid value for contains_title: title is a text"),
    ("author=Orwell", "author", "Invalid value for author: author is an object"),
    ("author.born=x", "author.born", "Invalid value for author.born: author.born is a number"),
]


@pytest.mark.setting("strict_filters")
@pytest.mark.parametrize(("query", "name", "description"), REFUSED)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_can_only_be_a_mistake_is_refused(
    strict: TestApp, query: str, name: str | None, description: str | None, method: str
) -> None:
    answer = strict.request(f"{LISTS}?{query}", method=method, headers=AUTH, status=400)

    if method != "HEAD" and description is not None:
        assert answer.json["details"] == [
            {"location": "querystring", "name": name, "description": description}
        ]
        assert description in answer.json["message"]


ACCEPTED = [
    "",
    "_limit=5&_sort=-pages,author.born,&_fields=title&_since=0&_before=5&_to=5",
    "%20_since%20=0",
    "pages=5&min_pages=1.5&not_pages=None&in_pages=1,None&has_pages=false",
    "lent=true&not_lent=0&lent=None",
    "title=abc&title=%221984%22&min_title=a&like_title=*b&in_title=a,b&title=None",
    "day=2015-01-01&min_day=2015",
    "price=cheap&prepared=5&id=5&last_modified=5&deleted=true&in_id=a,b",
    "tags=[%22a%22]&contains_tags=a&contains_any_tags=1,2&tags=None",
    "author={%22name%22:%22a%22}&author.name=Orwell&min_author.born=1900&author.other=1",
]


@pytest.mark.parametrize("query", [query for query in ACCEPTED if "min_day" not in query])
def test_what_may_match_is_accepted(strict: TestApp, query: str) -> None:
    strict.get(f"{LISTS}?{query}", headers=AUTH, status=200)


@pytest.mark.parametrize("query", [query for query, _, _ in REFUSED])
def test_without_the_setting_nothing_is_refused(lenient: TestApp, query: str) -> None:
    lenient.get(f"{LISTS}?{query}", headers=AUTH, status=200)


@pytest.mark.setting("{resource_name}_strict_filters")
@pytest.mark.parametrize(
    ("settings", "books", "films"),
    [
        ({"book_strict_filters": "true"}, 400, 200),
        ({"strict_filters": "true", "book_strict_filters": "false"}, 200, 400),
    ],
)
def test_one_resource_may_differ(settings: dict[str, str], books: int, films: int) -> None:
    app = made(**settings)

    app.get("/v0/books?_limt=5", headers=AUTH, status=books)
    app.get("/v0/films?_limt=5", headers=AUTH, status=films)


def test_a_misspelt_resource_is_refused_at_the_start() -> None:
    with pytest.raises(Exception, match="boook_strict_filters"):
        made(boook_strict_filters="true")
    with pytest.raises(SettingError, match="allowed: true or false"):
        made(book_strict_filters="tru")


def test_fields_that_no_schema_declares_are_not_judged(strict: TestApp) -> None:
    strict.get("/v0/opens?pages=abc&min_a.b=true&_sort=-x.y", headers=AUTH, status=200)


def test_a_record_knows_one_parameter(strict: TestApp, lenient: TestApp) -> None:
    for app, status in ((strict, 400), (lenient, 200)):
        url = app.post_json(LISTS, {"data": {"title": "a"}}, headers=AUTH).headers["Location"]
        app.get(f"{url}?_fields=title&other=5", headers=AUTH, status=200)
        app.get(f"{url}?_feilds=title", headers=AUTH, status=status)


def test_pages_lead_on(strict: TestApp) -> None:
    auth = basic_auth("other")
    for title in ("a", "b", "c"):
        strict.post_json(LISTS, {"data": {"title": title}}, headers=auth)

    first = strict.get(f"{LISTS}?_limit=1&_sort=title&min_title=a", headers=auth)
    second = strict.get(first.headers["Next-Page"], headers=auth)

    assert [record["title"] for record in second.json["data"]] == ["b"]


def test_a_hint_works(strict: TestApp) -> None:
    auth = basic_auth("hinted")
    strict.post_json(LISTS, {"data": {"title": "1984"}}, headers=auth)
    said = strict.get(f"{LISTS}?title=1984", headers=auth, status=400).json["message"]

    query = said.rpartition("as in ")[2]

    found = strict.get(f"{LISTS}?{quote(query, safe='=')}", headers=auth).json["data"]
    assert [record["title"] for record in found] == ["1984"]


@pytest.mark.clause("E-17.7")
def test_a_resource_may_have_parameters_of_its_own(strict: TestApp, lenient: TestApp) -> None:
    painteds = "/v0/painteds"
    for app in (strict, lenient):
        url = ""
        for title in ("a", "b", "c"):
            body = {"data": {"title": title}}
            url = app.post_json(painteds, body, headers=AUTH).headers["Location"]

        own = "_colour=red&lang=fr"
        listed = app.get(f"{painteds}?{own}&_limit=2&_sort=-title&min_title=b", headers=AUTH)
        first = app.get(f"{painteds}?{own}&_limit=2", headers=AUTH)
        second = app.get(first.headers["Next-Page"], headers=AUTH)
        found = app.get(f"{url}?{own}&_fields=title", headers=AUTH)
        left = app.delete(f"{painteds}?{own}&title=c", headers=AUTH)

        assert [record["title"] for record in listed.json["data"]] == ["c", "b"]
        assert [first.json["colour"], second.json["colour"]] == ["red", "red"]
        assert len(second.json["data"]) == 1
        assert found.json["lang"] == "fr"
        assert found.json["data"]["title"] == "c"
        assert len(left.json["data"]) == 1


@pytest.mark.clause("E-17.7")
def test_other_parameters_of_such_a_resource_are_judged(strict: TestApp, lenient: TestApp) -> None:
    said = strict.get("/v0/painteds?_color=red", headers=AUTH, status=400).json["message"]
    assert "Unknown parameter '_color'; did you mean '_colour'?" in said
    lenient.get("/v0/painteds?_color=red", headers=AUTH, status=200)
    for app in (strict, lenient):
        app.get("/v0/painteds?lng=fr", headers=AUTH, status=400)
        app.get("/v0/books?lang=fr", headers=AUTH, status=400)


@pytest.mark.clause("E-17.7", "E-5.1")
def test_the_description_has_such_parameters(strict: TestApp) -> None:
    document = strict.get("/v0/__api__").json
    parameters = document["components"]["parameters"]

    for path in ("/v0/painteds", "/v0/painteds/{id}"):
        (item,) = (one for name, one in document["paths"].items() if path.endswith(name))
        given = [one["$ref"].rpartition("/")[2] for one in item["get"]["parameters"]]
        assert {"_colour", "lang"} <= {parameters[one]["name"] for one in given}
